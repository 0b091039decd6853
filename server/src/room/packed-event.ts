/*
 * What a tail keeps of an event. A keystroke has 35 bytes: as a view of the frame that brought it, it keeps a buffer alive that
 * others share, and took some 800. Here its payload is copied to those of its neighbours, and it takes some 180.
 */
import type { Seq } from '../ids.js'
import type { StoredEvent } from '../store/types.js'

/** What an event takes in memory beside its payload, in bytes, as measured with 1,500 keystrokes in each of 100 rooms. */
export const eventOverhead = 128

/** Payloads up to so many bytes are copied; larger ones stay as they are. */
const packedBytes = 1024
/** The slabs of a room grow from the one to the other. */
const firstSlabBytes = 128
const lastSlabBytes = 16 * 1024

export class PackedEvent implements StoredEvent {
  readonly seq: Seq
  readonly kind: 'update' | 'message'
  readonly author: string | null
  readonly clientId: string | null
  readonly clientSeq: number | null
  readonly name: string | null
  readonly createdAt: number
  /** The size of the payload: asked for without making a view of it. */
  readonly byteLength: number
  private readonly slab: Uint8Array
  private readonly start: number

  constructor(event: StoredEvent, slab: Uint8Array, start: number) {
    this.seq = event.seq
    this.kind = event.kind
    this.author = event.author
    this.clientId = event.clientId
    this.clientSeq = event.clientSeq
    this.name = event.name
    this.createdAt = event.createdAt
    this.byteLength = event.payload.length
    this.slab = slab
    this.start = start
  }

  get payload(): Uint8Array {
    return this.slab.subarray(this.start, this.start + this.byteLength)
  }
}

const noSlab = new Uint8Array(0)

/** Packs the events of one room. A slab goes with the last of its events, but for the one that is being filled. */
export class EventPacker {
  private slab = noSlab
  private used = 0

  /** Lets go of the slab that is being filled: the tail is empty. */
  reset(): void {
    this.slab = noSlab
    this.used = 0
  }

  pack(event: StoredEvent): PackedEvent {
    const { payload } = event
    if (payload.length > packedBytes) return new PackedEvent(event, payload, 0)
    if (this.used + payload.length > this.slab.length) {
      const doubled = Math.min(lastSlabBytes, Math.max(firstSlabBytes, this.slab.length * 2))
      this.slab = new Uint8Array(Math.max(doubled, payload.length))
      this.used = 0
    }
    const start = this.used
    this.slab.set(payload, start)
    this.used += payload.length
    return new PackedEvent(event, this.slab, start)
  }
}
