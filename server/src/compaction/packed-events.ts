import type { StoredEvent } from '../store/types.js'
import { allocateShared } from './shared-bytes.js'

/** Many events as a few columns and one block of shared bytes: crosses threads without a copy per event. */
export interface PackedEvents {
  /** All payloads end to end, in shared memory. */
  readonly payloads: Uint8Array
  readonly lengths: Uint32Array
  readonly seqs: Float64Array
  readonly createdAts: Float64Array
  /** 1 for a message, 0 for an update. */
  readonly messages: Uint8Array
  /** NaN for none. */
  readonly clientSeqs: Float64Array
  /** Positions in `texts`, plus one; 0 for null. */
  readonly authors: Uint32Array
  readonly clientIds: Uint32Array
  readonly names: Uint32Array
  readonly texts: readonly string[]
}

export function packEvents(events: readonly StoredEvent[]): PackedEvents {
  const count = events.length
  const texts: string[] = []
  const positions = new Map<string, number>()
  const position = (text: string | null): number => {
    if (text === null) return 0
    let at = positions.get(text)
    if (at === undefined) {
      at = texts.push(text)
      positions.set(text, at)
    }
    return at
  }
  const packed = {
    payloads: allocateShared(events.reduce((sum, event) => sum + event.payload.length, 0)),
    lengths: new Uint32Array(count),
    seqs: new Float64Array(count),
    createdAts: new Float64Array(count),
    messages: new Uint8Array(count),
    clientSeqs: new Float64Array(count),
    authors: new Uint32Array(count),
    clientIds: new Uint32Array(count),
    names: new Uint32Array(count),
    texts,
  }
  let at = 0
  for (const [i, event] of events.entries()) {
    packed.payloads.set(event.payload, at)
    at += event.payload.length
    packed.lengths[i] = event.payload.length
    packed.seqs[i] = event.seq
    packed.createdAts[i] = event.createdAt
    packed.messages[i] = event.kind === 'message' ? 1 : 0
    packed.clientSeqs[i] = event.clientSeq ?? NaN
    packed.authors[i] = position(event.author)
    packed.clientIds[i] = position(event.clientId)
    packed.names[i] = position(event.name)
  }
  return packed
}

/** The events again, in the order in which they were packed. Payloads are views of the shared bytes. */
export function unpackEvents(packed: PackedEvents): StoredEvent[] {
  const text = (position: number | undefined): string | null =>
    position === undefined || position === 0 ? null : (packed.texts[position - 1] ?? null)
  const events: StoredEvent[] = []
  let at = 0
  for (const [i, length] of packed.lengths.entries()) {
    const clientSeq = packed.clientSeqs[i] ?? NaN
    events.push({
      seq: packed.seqs[i] ?? 0,
      kind: packed.messages[i] === 1 ? 'message' : 'update',
      author: text(packed.authors[i]),
      clientId: text(packed.clientIds[i]),
      clientSeq: Number.isNaN(clientSeq) ? null : clientSeq,
      name: text(packed.names[i]),
      payload: packed.payloads.subarray(at, at + length),
      createdAt: packed.createdAts[i] ?? 0,
    })
    at += length
  }
  return events
}
