/*
 * The wire of stock y-websocket clients (y-protocols sync), as bytes.
 */
import { ByteWriter, varUintLength } from './bytes.js'

export const YMessage = { sync: 0, awareness: 1, auth: 2, queryAwareness: 3 } as const
export const YSync = { step1: 0, step2: 1, update: 2 } as const

/** The path of a room. */
export const yPath = (room: string): string => `/yjs/${encodeURIComponent(room)}`

/**
 * A sync message: step 1 with a state vector, step 2 or update with an update.
 * @param prefix what the dialect puts before it
 */
export const encodeSync = (kind: number, data: Uint8Array, prefix: Uint8Array = noPrefix): Uint8Array =>
  writeSync(
    new ByteWriter(new Uint8Array(prefix.length + syncLength(data.length))).raw(prefix),
    kind,
    data.length,
  )
    .raw(data)
    .finish()

const noPrefix = new Uint8Array(0)

/** The bytes of a sync message around `dataLength` bytes. */
export const syncLength = (dataLength: number): number => 2 + varUintLength(dataLength) + dataLength

/** Writes a sync message up to its data. */
export const writeSync = (writer: ByteWriter, kind: number, dataLength: number): ByteWriter =>
  writer.byte(YMessage.sync).byte(kind).varUint(dataLength)

/** @returns where the data of the sync message at `start` begins */
export const syncDataStart = (bytes: Uint8Array, start: number): number => dataStart(bytes, start + 2)

/** @returns where the data of the awareness message at `start` begins */
export const awarenessDataStart = (bytes: Uint8Array, start: number): number => dataStart(bytes, start + 1)

/** @returns where the data begins whose length is written at `from` */
export const dataStart = (bytes: Uint8Array, from: number): number => {
  let at = from
  while ((bytes[at] ?? 0) >= 0x80) at++
  return at + 1
}

/** An empty Yjs state vector (also an empty document's). */
export const emptyVector = Uint8Array.of(0)
/** An update that brings nothing. */
export const emptyUpdate = Uint8Array.of(0, 0)
