/* What a Weft client asks of a room's past (P50 to P53). */
import { encodeServerFrame, ProtocolError, type ErrorCode, type HistoryFrame } from '@weft/protocol'
import { durableMessage } from './channel.js'
import type { Membership } from './membership.js'
import type { SessionContext } from './session.js'
import type { Socket } from './socket.js'

/** Requests of a connection that wait for their answer. A page waits until the client has read what was sent before. */
const maxWaiting = 4

/** The connection that asks. */
export interface HistorySource {
  readonly context: SessionContext
  readonly socket: Socket
  /** Answers a request with ERROR. */
  refuse(request: number, code: ErrorCode, message: string): void
}

export class HistoryRequests {
  private readonly source: HistorySource
  private waiting = 0

  constructor(source: HistorySource) {
    this.source = source
  }

  /** Answers a HISTORY, later. @param member null when the connection is not in the room */
  ask(member: Membership | null, frame: HistoryFrame): void {
    const { source } = this
    if (member === null) this.refuseStranger(frame)
    else if (!member.permissions.history)
      source.refuse(frame.request, 'forbidden', 'the grant is not to read the past')
    else if (this.waiting >= maxWaiting) {
      source.refuse(frame.request, 'overloaded', `at most ${maxWaiting} requests wait for their answer`)
    } else {
      this.waiting++
      void this.answer(member, frame)
        .catch((error: unknown) => this.failed(frame, error))
        .finally(() => this.waiting--)
    }
  }

  private async answer(member: Membership, frame: HistoryFrame): Promise<void> {
    const { context, socket } = this.source
    const { request, room, after, before, limit } = frame
    const { messages, more } = await context.history.read(member.room, { after, before, limit })
    // Paced: a client that reads slowly has no more pages in memory than it may ask for.
    await socket.transfer([].values(), () => {
      if (member.hasLeft) this.refuseStranger(frame)
      else {
        const events = messages.map(durableMessage)
        socket.send(encodeServerFrame({ type: 'historyPage', request, room, events, more }))
      }
    })
  }

  private refuseStranger({ request }: HistoryFrame): void {
    this.source.refuse(request, 'not_joined', 'the connection is not in this room')
  }

  private failed({ request }: HistoryFrame, error: unknown): void {
    const { source } = this
    if (!source.socket.isOpen()) return
    if (error instanceof ProtocolError) {
      source.refuse(request, error.code, error.message)
      return
    }
    source.context.observer.fault('reading the past of a room failed', error)
    source.refuse(request, 'load_failed', 'the log could not be read now')
  }
}
