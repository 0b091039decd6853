/* Frames of each dialect, valid ones and broken ones, from a seed. */
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { encodeClientFrame, encodeValue, writeAwareness, type ClientFrame } from '@weft/protocol'
import { mutateUpdate } from '../crdt/testing/mutate.js'
import { randomDocument } from '../crdt/testing/random-doc.js'
import type { Random } from '../crdt/testing/random.js'

export const dialects = ['weft', 'yjs', 'hocuspocus'] as const
export type Dialect = (typeof dialects)[number]

/** Updates of a document, from which frames are made. */
export interface Pool {
  readonly updates: readonly Uint8Array[]
  readonly stateVector: Uint8Array
}

export const makePool = (random: Random): Pool => {
  const { updates, docs } = randomDocument(random, { users: 2, edits: 8 })
  return { updates, stateVector: Y.encodeStateVector(docs[0] ?? new Y.Doc()) }
}

/** Where the frames go. */
export interface Target {
  /** The number of the room on a Weft connection. */
  readonly room: number
  /** The next number of a change. */
  n: number
  /** The document's name on a Hocuspocus socket. */
  readonly name: string
}

/** A frame: half of the time valid on the wire, though what is in it may be hostile. */
export const makeFrame = (dialect: Dialect, random: Random, pool: Pool, target: Target): Uint8Array => {
  const valid = dialect === 'weft' ? weft(random, pool, target) : stock(dialect, random, pool, target)
  return random.chance(0.5) ? valid : mutateBytes(random, valid)
}

const someUpdate = (random: Random, pool: Pool): Uint8Array =>
  random.chance(0.5) ? random.pick(pool.updates) : mutateUpdate(random, pool.updates)

const someAwareness = (random: Random): Uint8Array => {
  const state = random.pick(['{"cursor":1}', 'null', '{', '{"__proto__":{"a":1}}', '[[[[]]]]', '"x"'])
  const clientId = random.pick([0, 1, 7, 2 ** 32 - 1, 2 ** 53 - 1])
  const bytes = writeAwareness([{ clientId, clock: random.int(4), state }])
  return random.chance(0.7) ? bytes : mutateBytes(random, bytes)
}

const someVector = (random: Random, pool: Pool): Uint8Array =>
  random.chance(0.6) ? pool.stateVector : mutateBytes(random, pool.stateVector)

const someText = (random: Random): string =>
  random.pick(['', 'a', 'fuzz', '\0', '😀', '../x', '__proto__', 'x'.repeat(600), '%2f'])

const someValue = (random: Random): unknown =>
  random.pick<unknown>([null, 0, -1, 1.5, 2 ** 40, 'text', [1, [2]], { a: { b: null } }, new Uint8Array(3)])

const weft = (random: Random, pool: Pool, target: Target): Uint8Array => {
  const room = random.chance(0.9) ? target.room : random.pick([0, 1, 99, 2 ** 53 - 1])
  const n = (): number => (random.chance(0.8) ? target.n++ : 1 + random.int(9))
  const frames: (() => ClientFrame)[] = [
    () => ({ type: 'update', room, n: n(), update: someUpdate(random, pool) }),
    () => ({ type: 'update', room, n: n(), update: someUpdate(random, pool) }),
    () => ({ type: 'seed', room, n: n(), update: someUpdate(random, pool) }),
    () => ({
      type: 'append',
      room,
      n: n(),
      name: someText(random).slice(0, 99),
      payload: encodeValue(someValue(random)),
    }),
    () => ({ type: 'broadcast', room, name: 'b', payload: encodeValue(someValue(random)) }),
    () => ({ type: 'presence', room, awareness: someAwareness(random) }),
    () => ({ type: 'ping', id: random.int(1000) }),
    () => ({ type: 'pong', id: random.int(1000) }),
    () => ({
      type: 'history',
      request: random.int(99),
      room,
      after: random.pick([null, 0, 5]),
      before: null,
      limit: 5,
    }),
    () => ({
      type: 'join',
      request: random.int(99),
      room: random.chance(0.8) ? target.name : someText(random),
      epoch: random.pick([null, 1]),
      after: random.pick([null, 0, 2 ** 40]),
      stateVector: random.chance(0.5) ? null : someVector(random, pool),
    }),
    () => ({ type: 'leave', room: random.pick([room, 77]) }),
    () => ({ type: 'auth', token: someText(random) }),
  ]
  return encodeClientFrame(random.pick(frames)())
}

const stock = (dialect: Dialect, random: Random, pool: Pool, target: Target): Uint8Array =>
  encoding.encode((to) => {
    if (dialect === 'hocuspocus') {
      const name = random.chance(0.9) ? target.name : someText(random)
      encoding.writeVarString(to, random.chance(0.1) ? `${name}\0session` : name)
    }
    const type = random.pick([0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 7, 9, 200])
    encoding.writeVarUint(to, type)
    if (type === 0 || type === 4) {
      const step = random.pick([0, 1, 2, 2, 2, 3])
      encoding.writeVarUint(to, step)
      encoding.writeVarUint8Array(to, step === 0 ? someVector(random, pool) : someUpdate(random, pool))
    } else if (type === 1) encoding.writeVarUint8Array(to, someAwareness(random))
    else if (type === 2) {
      encoding.writeVarUint(to, random.int(3))
      encoding.writeVarString(to, someText(random))
    } else if (type === 5) encoding.writeVarString(to, someText(random))
  })

/** Flips, inserts, cuts, repeats; numbers of all widths, and lengths that lie. */
export const mutateBytes = (random: Random, source: Uint8Array): Uint8Array => {
  const bytes = [...source]
  const times = 1 + random.int(4)
  for (let i = 0; i < times; i++) {
    const at = random.int(bytes.length + 1)
    switch (random.int(6)) {
      case 0:
        if (bytes.length > 0)
          bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ (1 << random.int(8))
        break
      case 1:
        bytes.splice(at, 0, random.int(256))
        break
      case 2:
        bytes.splice(at, 1 + random.int(4))
        break
      case 3:
        bytes.splice(
          at,
          1,
          ...random.pick([[0xff, 0xff, 0xff, 0xff, 0x0f], [0xdd, 0xff, 0xff, 0xff, 0xff], [0xc1], [0x80]]),
        )
        break
      case 4:
        bytes.splice(at, 0, ...bytes.slice(at, at + random.int(20)))
        break
      default:
        bytes.length = Math.min(bytes.length, at)
    }
  }
  return Uint8Array.from(bytes)
}
