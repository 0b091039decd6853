/*
 * Presence as y-protocols' awareness writes it: each client's id, clock and state as JSON.
 */
import { ByteWriter, varUintLength } from './bytes.js'
import { YMessage } from './y-wire.js'

/** Where somebody's cursor is. */
export interface Presence {
  readonly client: number
  /** Goes up by one each time. */
  readonly clock: number
}

/** An awareness update of one client: a cursor that has moved. */
export const awarenessUpdate = ({ client, clock }: Presence): Uint8Array => {
  const state = `{"user":{"name":"user ${client}","color":"#30bced"},"cursor":{"x":${clock % 1000},"y":${clock % 700}}}`
  const head = 1 + varUintLength(client) + varUintLength(clock) + varUintLength(state.length)
  return new ByteWriter(new Uint8Array(head + state.length))
    .byte(1)
    .varUint(client)
    .varUint(clock)
    .varUint(state.length)
    .ascii(state)
    .finish()
}

/** It as a message of y-websocket. */
export const encodeAwareness = (presence: Presence): Uint8Array => {
  const update = awarenessUpdate(presence)
  return new ByteWriter(new Uint8Array(1 + varUintLength(update.length) + update.length))
    .byte(YMessage.awareness)
    .varUint(update.length)
    .raw(update)
    .finish()
}

/** @returns how many clients' states the awareness update at `start` holds */
export const stateCount = (bytes: Uint8Array, start: number): number => {
  let value = 0
  for (let at = start, factor = 1; ; at++, factor *= 128) {
    const byte = bytes[at] ?? 0
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return value
  }
}
