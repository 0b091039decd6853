/* What a room talks to, as plain records: members, an output, an observer. */
import type { Access, ErrorCode } from '@weft/protocol'
import type { Seq } from '../../ids.js'
import type { StoredEvent } from '../../store/types.js'
import type { RoomMember, RoomObserver, RoomOutput } from '../types.js'

let nextConnection = 1

/** A member that keeps what it is told. */
export class ScriptedMember implements RoomMember {
  readonly user: string | null = null
  readonly connection = `scripted-${nextConnection++}`
  readonly access: Access = 'write'
  readonly acks: { n: number; seq: Seq }[] = []
  readonly nacks: { n: number; code: ErrorCode }[] = []
  ended: ErrorCode | null = null

  readonly clientId: string | null

  constructor(clientId: string | null = null) {
    this.clientId = clientId
  }

  ack(n: number, seq: Seq): void {
    this.acks.push({ n, seq })
  }

  nack(n: number, code: ErrorCode): void {
    this.nacks.push({ n, code })
  }

  end(code: ErrorCode): void {
    this.ended = code
  }
}

/** An output that keeps what it is given. */
export class ScriptedOutput implements RoomOutput {
  receivers = 1
  readonly relays: { updates: readonly Uint8Array[]; sender: RoomMember | null }[] = []
  readonly messages: StoredEvent[] = []
  readonly watermarks: Seq[] = []
  /** What came, in order. */
  readonly order: string[] = []
  disposed = false

  updates(updates: readonly Uint8Array[], sender: RoomMember | null): void {
    this.relays.push({ updates, sender })
    this.order.push(`updates ${updates.length}`)
  }

  presence(): void {
    this.order.push('presence')
  }

  message(event: StoredEvent): void {
    this.messages.push(event)
    this.order.push(`message ${event.seq}`)
  }

  broadcast(): void {
    this.order.push('broadcast')
  }

  watermark(seq: Seq): Seq {
    this.watermarks.push(seq)
    this.order.push(`watermark ${seq}`)
    return seq
  }

  dispose(): void {
    this.disposed = true
  }
}

const nothing = (): void => undefined

export const silentObserver: RoomObserver = {
  updateIn: nothing,
  relayed: nothing,
  acked: nothing,
  refused: nothing,
  repaired: nothing,
  compacted: nothing,
  fault: nothing,
}
