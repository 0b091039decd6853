/*
 * Which rooms the running connection is in: request and room numbers, and the order of JOIN and LEAVE. A room is named
 * in JOIN only, and a second JOIN before the answer to LEAVE would be `already_joined` (P13): whoever wants back in
 * waits for LEFT.
 */
import {
  errorFrame,
  historyFrame,
  historyPageFrame,
  joinFrame,
  joinedFrame,
  leaveFrame,
  leftFrame,
  type ClientWire,
  type ErrorWire,
  type HistoryPageWire,
  type JoinedWire,
  type RoomWire,
} from '@weft/protocol'
import { WeftError } from './errors.js'
import type { Page } from './event-log.js'
import type { HistoryQuery } from './event-types.js'
import type { Holding } from './state-sync.js'
import { createAnswers, handled, type Answers } from './waiters.js'

/** Frames of rooms. */
export type RoomsWire = JoinedWire | ErrorWire | HistoryPageWire | RoomWire

/** A room as a member of a connection. */
export interface Member {
  readonly name: string
  /** What JOIN says about the state that the room holds. */
  holding(): Holding
  joined(frame: JoinedWire): void
  refused(code: string, message: string, retryAfter: number): void
  frame(frame: RoomWire): void
}

/** Events of a page when nothing else is asked for. */
const defaultLimit = 100

interface Membership {
  readonly name: string
  readonly request: number
  /** Null until JOINED. */
  room: number | null
  /** Null when it left, maybe before JOINED came. */
  member: Member | null
  /** Who wants in when this membership has ended. */
  next: Member | null
  /** Questions about the room's log, by request. */
  readonly pages: Answers<Page>
}

export interface Memberships {
  /** Asks to join; answered by `joined` or `refused`. */
  join(member: Member): void
  /** Ends a membership, also one that is only asked for. The member hears no more of it. */
  leave(member: Member): void
  /** Drops a membership of which the server does not know. */
  forget(member: Member): void
  /** The room number of a member; null while it is not joined. */
  roomOf(member: Member): number | null
  /** Reads the log of a member's room. Rejects when the connection or the membership ends before the answer. */
  read(member: Member, query: HistoryQuery): Promise<Page>
  take(frame: RoomsWire): void
  /** The connection is gone, and every membership with it. */
  clear(): void
}

export const createMemberships = (send: (frame: ClientWire) => void): Memberships => {
  /** Under the room's name, and under its number as soon as there is one. */
  const running = new Map<string | number, Membership>()
  let lastRequest = 0

  const ofMember = (member: Member): Membership | undefined => {
    const membership = running.get(member.name)
    return membership?.member === member ? membership : undefined
  }

  const sendLeave = ({ room }: Membership): void => {
    if (room !== null) send([leaveFrame, room])
  }

  const remove = ({ name, room, pages }: Membership): void => {
    running.delete(name)
    if (room !== null) running.delete(room)
    pages.rejectAll(lost())
  }

  const join = (member: Member): void => {
    const { name } = member
    const before = running.get(name)
    if (before) {
      if (before.member !== member) before.next = member
      return
    }
    const request = ++lastRequest
    running.set(name, { name, request, room: null, member, next: null, pages: createAnswers() })
    send([joinFrame, request, name, ...member.holding()])
  }

  const admitNext = ({ next }: Membership): void => {
    if (next) join(next)
  }

  return {
    join,
    leave: (member) => {
      const waiting = running.get(member.name)
      if (waiting?.next === member) waiting.next = null
      const membership = ofMember(member)
      if (!membership) return
      membership.member = null
      sendLeave(membership)
    },
    forget: (member) => {
      const membership = ofMember(member)
      if (membership) remove(membership)
    },
    roomOf: (member) => ofMember(member)?.room ?? null,
    read: (member, { after = null, before = null, limit = defaultLimit }) => {
      const membership = ofMember(member)
      const room = membership?.room ?? null
      if (!membership || room === null) return handled(Promise.reject(lost()))
      const request = ++lastRequest
      const answer = membership.pages.wait(request)
      send([historyFrame, request, room, after, before, limit])
      return answer
    },
    take: (frame) => {
      if (frame[0] === joinedFrame || frame[0] === errorFrame) {
        const request = frame[1] ?? 0
        const memberships = [...running.values()]
        const asked = memberships.find((each) => each.request === request && each.room === null)
        const member = asked?.member
        if (frame[0] === errorFrame) {
          const [, , code, message, retryAfter] = frame
          if (!asked) for (const { pages } of memberships) pages.reject(request, new WeftError(code, message))
          else {
            remove(asked)
            member?.refused(code, message, retryAfter)
            admitNext(asked)
          }
        } else if (asked) {
          const [, , room] = frame
          asked.room = room
          running.set(room, asked)
          if (member) member.joined(frame)
          else sendLeave(asked)
        }
      } else if (frame[0] === historyPageFrame) {
        const [, request, room, events, more] = frame
        running.get(room)?.pages.resolve(request, { events, more })
      } else {
        const membership = running.get(frame[1])
        if (!membership) return
        if (frame[0] === leftFrame) remove(membership)
        membership.member?.frame(frame)
        if (frame[0] === leftFrame) admitNext(membership)
      }
    },
    clear: () => {
      const memberships = new Set(running.values())
      running.clear()
      for (const { pages } of memberships) pages.rejectAll(lost())
    },
  }
}

const lost = (): WeftError => new WeftError('connection_lost', 'the room is not joined')
