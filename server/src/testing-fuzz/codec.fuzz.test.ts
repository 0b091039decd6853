/*
 * What a client may send, decoded and checked as the gateway does it, in this process. `WEFT_FUZZ_FRAMES` sets how many frames
 * a dialect, `WEFT_FUZZ_SEED` where the seeds begin.
 */
import { decodeClientFrame, decodeValue, ProtocolError, readAwareness } from '@weft/protocol'
import { expect, test } from 'vitest'
import { decodeStateVector, inspectUpdate, UPDATE_LIMITS, UpdateInvalidError } from '../crdt/index.js'
import { seededRandom } from '../crdt/testing/random.js'
import { decodeAddress, decodeHocuspocusMessage, splitAddress } from '../gateway/hocuspocus-wire.js'
import { decodeYjsMessage, type YjsMessage } from '../gateway/yjs-wire.js'
import { dialects, makeFrame, makePool, type Dialect } from './frames.js'

const frames = Number(process.env['WEFT_FUZZ_FRAMES'] ?? 20_000)
const firstSeed = Number(process.env['WEFT_FUZZ_SEED'] ?? 1)
const perSeed = 200

/** Seeds that once found something. */
const regressions: readonly number[] = []

const takeStock = (message: YjsMessage | ReturnType<typeof decodeHocuspocusMessage>): void => {
  if (message.type === 'step1') decodeStateVector(message.stateVector)
  else if (message.type === 'step2' || message.type === 'update') inspectUpdate(message.update, UPDATE_LIMITS)
  else if (message.type === 'awareness') readAwareness(message.awareness, 16, 1_024)
}

const take: Record<Dialect, (bytes: Uint8Array) => void> = {
  weft: (bytes) => {
    const frame = decodeClientFrame(bytes)
    if (frame.type === 'update' || frame.type === 'seed') inspectUpdate(frame.update, UPDATE_LIMITS)
    else if (frame.type === 'presence') readAwareness(frame.awareness, 16, 1_024)
    else if (frame.type === 'append' || frame.type === 'broadcast') decodeValue(frame.payload)
    else if (frame.type === 'join' && frame.stateVector !== null) decodeStateVector(frame.stateVector)
  },
  yjs: (bytes) => takeStock(decodeYjsMessage(bytes)),
  hocuspocus: (bytes) => {
    splitAddress(decodeAddress(bytes))
    takeStock(decodeHocuspocusMessage(bytes))
  },
}

const run = (dialect: Dialect, seed: number): { accepted: number; refused: number } => {
  const random = seededRandom(seed)
  const pool = makePool(random)
  const target = { room: 1, n: 1, name: 'fuzz' }
  let accepted = 0
  for (let i = 0; i < perSeed; i++) {
    const frame = makeFrame(dialect, random, pool, target)
    try {
      take[dialect](frame)
      accepted++
    } catch (error) {
      if (error instanceof ProtocolError || error instanceof UpdateInvalidError) continue
      throw new Error(
        `seed ${seed}, frame ${i} (${Buffer.from(frame).toString('hex')}): repeat it with WEFT_FUZZ_SEED=${seed}`,
        {
          cause: error,
        },
      )
    }
  }
  return { accepted, refused: perSeed - accepted }
}

test.each(dialects)(
  'I7, P3, P72: whatever comes as a frame of %s is taken or refused by name, in bounded memory',
  (dialect) => {
    for (const seed of regressions) run(dialect, seed)
    const total = { accepted: 0, refused: 0 }
    let warm = 0
    for (let done = 0, seed = firstSeed; done < frames; done += perSeed, seed++) {
      const { accepted, refused } = run(dialect, seed)
      total.accepted += accepted
      total.refused += refused
      if (warm === 0 && done >= frames / 5) warm = process.memoryUsage().rss
    }
    expect(process.memoryUsage().rss - warm).toBeLessThan(128 * 1024 * 1024)
    // It really did something: much is taken, much is refused.
    expect(total.accepted).toBeGreaterThan(frames * 0.2)
    expect(total.refused).toBeGreaterThan(frames * 0.2)
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('a')
  },
  Math.max(60_000, frames),
)
