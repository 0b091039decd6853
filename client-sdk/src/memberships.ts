/*
 * Which rooms the running connection is in: request and room numbers, and the order of JOIN and LEAVE. A room is named
 * in JOIN only, and a second JOIN before the answer to LEAVE would be `already_joined` (P13): whoever wants back in
 * waits for LEFT.
 */
import type { ClientFrame, ErrorFrame, JoinedFrame, ServerFrame } from '@weft/protocol'

/** Frames that belong to a room which has been joined. */
export type RoomFrame = Extract<ServerFrame, { readonly room: number }>

/** A room as a member of a connection. */
export interface Member {
  readonly name: string
  /** What JOIN says about the state that the room holds. */
  holding(): { epoch: number | null; after: number | null; stateVector: Uint8Array | null }
  joined(frame: JoinedFrame): void
  refused(frame: ErrorFrame): void
  frame(frame: Exclude<RoomFrame, JoinedFrame>): void
}

interface Membership {
  readonly name: string
  phase: 'joining' | 'joined' | 'leaving'
  readonly request: number
  room: number
  /** Null when it left before JOINED came. */
  member: Member | null
  /** Who wants in when this membership has ended. */
  next: Member | null
}

export class Memberships {
  private readonly send: (frame: ClientFrame) => void
  private readonly byName = new Map<string, Membership>()
  private readonly byRequest = new Map<number, Membership>()
  private readonly byRoom = new Map<number, Membership>()
  private lastRequest = 0

  constructor(send: (frame: ClientFrame) => void) {
    this.send = send
  }

  /** Asks to join; answered by `joined` or `refused`. */
  join(member: Member): void {
    const running = this.byName.get(member.name)
    if (running !== undefined) {
      if (running.member !== member) running.next = member
      return
    }
    const request = ++this.lastRequest
    const membership: Membership = {
      name: member.name,
      phase: 'joining',
      request,
      room: 0,
      member,
      next: null,
    }
    this.byName.set(member.name, membership)
    this.byRequest.set(request, membership)
    this.send({ type: 'join', request, room: member.name, ...member.holding() })
  }

  /** Ends a membership, also one that is only asked for. The member hears no more of it. */
  leave(member: Member): void {
    const membership = this.byName.get(member.name)
    if (membership === undefined) return
    if (membership.next === member) membership.next = null
    if (membership.member !== member) return
    membership.member = null
    if (membership.phase === 'joined') this.sendLeave(membership)
  }

  /** Drops a membership of which the server does not know. */
  forget(member: Member): void {
    const membership = this.byName.get(member.name)
    if (membership?.member === member) this.remove(membership)
  }

  /** The room number of a member; null while it is not joined. */
  roomOf(member: Member): number | null {
    const membership = this.byName.get(member.name)
    return membership?.member === member && membership.phase === 'joined' ? membership.room : null
  }

  take(frame: ServerFrame): void {
    switch (frame.type) {
      case 'joined':
        this.onJoined(frame)
        break
      case 'error': {
        const membership = frame.request === null ? undefined : this.byRequest.get(frame.request)
        if (membership === undefined) break
        this.remove(membership)
        membership.member?.refused(frame)
        this.admitNext(membership)
        break
      }
      case 'left': {
        const membership = this.byRoom.get(frame.room)
        if (membership === undefined) break
        this.remove(membership)
        membership.member?.frame(frame)
        this.admitNext(membership)
        break
      }
      case 'sync':
      case 'updates':
      case 'ack':
      case 'nack':
      case 'presences':
      case 'event':
      case 'broadcasted':
      case 'watermark':
        this.byRoom.get(frame.room)?.member?.frame(frame)
        break
      case 'welcome':
      case 'authed':
      case 'drain':
      case 'ping':
      case 'pong':
        break
    }
  }

  /** The connection is gone, and every membership with it. */
  clear(): void {
    this.byName.clear()
    this.byRequest.clear()
    this.byRoom.clear()
  }

  private onJoined(frame: JoinedFrame): void {
    const membership = this.byRequest.get(frame.request)
    if (membership === undefined) return
    this.byRequest.delete(frame.request)
    membership.room = frame.room
    membership.phase = 'joined'
    this.byRoom.set(frame.room, membership)
    if (membership.member === null) this.sendLeave(membership)
    else membership.member.joined(frame)
  }

  private sendLeave(membership: Membership): void {
    membership.phase = 'leaving'
    this.send({ type: 'leave', room: membership.room })
  }

  private remove(membership: Membership): void {
    this.byName.delete(membership.name)
    this.byRequest.delete(membership.request)
    if (membership.phase !== 'joining') this.byRoom.delete(membership.room)
  }

  private admitNext(membership: Membership): void {
    if (membership.next !== null) this.join(membership.next)
  }
}
