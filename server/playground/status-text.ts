/* What the status bar says, as pure functions of what the SDK reports. */
import type { Access, ConnectionInfo, RoomStatus } from '@weft/client'

/** `good`: nothing to do. `wait`: it will be good by itself. `bad`: it will not. `off`: as the user asked. */
export type Tone = 'good' | 'wait' | 'bad' | 'off'

export interface Line {
  readonly tone: Tone
  readonly text: string
}

/** The state of the connection. */
export const connectionLine = (info: ConnectionInfo, room: RoomStatus): Line => {
  switch (info.status) {
    case 'idle':
    case 'closed':
      return { tone: 'off', text: 'Cut off' }
    case 'authenticating':
    case 'connecting':
      return { tone: 'wait', text: 'Connecting' }
    case 'reconnecting':
      return { tone: 'wait', text: 'Reconnecting' }
    case 'offline':
      return { tone: 'wait', text: 'Offline' }
    case 'denied':
      return { tone: 'bad', text: 'Refused' }
    case 'connected':
    case 'draining':
      return connectedLine(room)
  }
}

const connectedLine = (room: RoomStatus): Line => {
  switch (room) {
    case 'live':
      return { tone: 'good', text: 'Connected' }
    case 'denied':
      return { tone: 'bad', text: 'Refused' }
    case 'offline':
    case 'joining':
    case 'syncing':
    case 'left':
      return { tone: 'wait', text: 'Joining' }
  }
}

/** How long a change may be under way before its count is shown, in milliseconds. */
export const savingGraceMs = 700

/**
 * Whether everything is saved. Typing turns `unsaved` from 0 to 1 and back many times a second: while it does, one steady
 * word is shown, and the count only once it lasts.
 */
export const savedLine = (state: {
  readonly unsaved: number
  /** For how long there has been something unsaved, in milliseconds. */
  readonly unsavedFor: number
  /** Whether the room's content has ever been here. */
  readonly synced: boolean
  readonly refused: boolean
  readonly access: Access | null
}): Line => {
  if (state.unsaved > 0) {
    return state.unsavedFor < savingGraceMs
      ? { tone: 'wait', text: 'Saving' }
      : { tone: state.refused ? 'bad' : 'wait', text: `${state.unsaved} unsaved` }
  }
  if (!state.synced)
    return { tone: state.refused ? 'bad' : 'wait', text: state.refused ? 'Not opened' : 'Opening the room' }
  if (state.access === 'read') return { tone: 'off', text: 'View only' }
  return { tone: 'good', text: 'All changes saved' }
}

/** A round trip time. */
export const latencyText = (ms: number | null): string => {
  if (ms === null) return ''
  return ms < 1 ? '<1 ms' : `${Math.round(ms)} ms`
}

/** What a refusal means, for a person. */
export interface Refusal {
  readonly title: string
  readonly text: string
  /** Whether another token may help. */
  readonly asksForToken: boolean
}

/** Explains why the server refused this page or this room. */
export const refusalText = (code: string, message: string, room: string): Refusal => {
  switch (code) {
    case 'unauthorized':
      return {
        title: 'This server asks for a token',
        text: 'Paste one that grants access to this room.',
        asksForToken: true,
      }
    case 'token_expired':
      return {
        title: 'Your token has expired',
        text: 'Paste a new one to go on. What you wrote is still here.',
        asksForToken: true,
      }
    case 'forbidden':
      return {
        title: 'You may not enter this room',
        text: `Your token does not grant access to “${room}”.`,
        asksForToken: true,
      }
    case 'invalid_room_name':
      return {
        title: 'This is not a room name',
        text: `A name has 1 to 512 bytes and no control characters: ${message}.`,
        asksForToken: false,
      }
    case 'room_deleted':
      return { title: 'This room was deleted', text: 'Choose another one above.', asksForToken: false }
    case 'unsupported_version':
      return {
        title: 'This page is out of date',
        text: 'Reload it to get the version that the server speaks.',
        asksForToken: false,
      }
    default:
      return { title: 'The server refused this page', text: message, asksForToken: false }
  }
}
