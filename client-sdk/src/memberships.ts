/*
 * Which rooms the running connection is in: request and room numbers, and the order of JOIN and LEAVE. A room is named
 * in JOIN only, and a second JOIN before the answer to LEAVE would be `already_joined` (P13): whoever wants back in
 * waits for LEFT.
 */
import type { ClientFrame, ErrorFrame, HistoryPageFrame, JoinedFrame, ServerFrame } from '@weft/protocol'
import { WeftError } from './errors.js'
import type { Page } from './event-log.js'
import type { HistoryQuery } from './types.js'
import { handled } from './waiters.js'

/** Frames that belong to a room which has been joined. */
export type RoomFrame = Exclude<Extract<ServerFrame, { readonly room: number }>, HistoryPageFrame>

/** A room as a member of a connection. */
export interface Member {
  readonly name: string
  /** What JOIN says about the state that the room holds. */
  holding(): { epoch: number | null; after: number | null; stateVector: Uint8Array | null }
  joined(frame: JoinedFrame): void
  refused(frame: ErrorFrame): void
  frame(frame: Exclude<RoomFrame, JoinedFrame>): void
}

/** A question about a room's log. */
interface Question {
  readonly room: number
  readonly resolve: (page: Page) => void
  readonly reject: (error: WeftError) => void
}

/** Events of a page when nothing else is asked for. */
const defaultLimit = 100

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
  private readonly questions = new Map<number, Question>()
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

  /** Reads the log of a member's room. */
  read(member: Member, { after, before, limit = defaultLimit }: HistoryQuery): Promise<Page> {
    const room = this.roomOf(member)
    if (room === null) return handled(Promise.reject(lost()))
    const request = ++this.lastRequest
    const answer = new Promise<Page>((resolve, reject) => {
      this.questions.set(request, { room, resolve, reject })
    })
    this.send({ type: 'history', request, room, after: after ?? null, before: before ?? null, limit })
    return handled(answer)
  }

  take(frame: ServerFrame): void {
    switch (frame.type) {
      case 'joined':
        this.onJoined(frame)
        break
      case 'error': {
        const membership = frame.request === null ? undefined : this.byRequest.get(frame.request)
        if (membership === undefined) {
          if (frame.request !== null)
            this.refuseQuestion(frame.request, new WeftError(frame.code, frame.message))
          break
        }
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
      case 'historyPage':
        this.questions.get(frame.request)?.resolve(frame)
        this.questions.delete(frame.request)
        break
      case 'sync':
      case 'updates':
      case 'ack':
      case 'nack':
      case 'presences':
      case 'event':
      case 'broadcasted':
      case 'watermark':
      case 'users':
      case 'access':
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
    for (const request of [...this.questions.keys()]) this.refuseQuestion(request, lost())
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
    if (membership.phase === 'joining') return
    this.byRoom.delete(membership.room)
    for (const [request, { room }] of [...this.questions])
      if (room === membership.room) this.refuseQuestion(request, lost())
  }

  private refuseQuestion(request: number, error: WeftError): void {
    this.questions.get(request)?.reject(error)
    this.questions.delete(request)
  }

  private admitNext(membership: Membership): void {
    if (membership.next !== null) this.join(membership.next)
  }
}

const lost = (): WeftError =>
  new WeftError('connection_lost', 'the room is not joined on a running connection')
