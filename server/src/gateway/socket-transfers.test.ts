import { beforeEach, expect, test } from 'vitest'
import { FairShares, LoopTurns } from '../tenants/index.js'
import { Socket, type Piece } from './socket.js'
import type { FullWebSocket } from './uws.js'

/* A clock that goes when a piece is sent, and turns of the loop that end when the test says so. */

let now: number
let ends: (() => void)[]
let turns: LoopTurns
let sent: string[]

beforeEach(() => {
  now = 0
  ends = []
  sent = []
  turns = new LoopTurns(new FairShares(100).limit(1e9), {
    now: () => now,
    afterTurn: (run) => void ends.push(run),
    after: (_ms, run) => void ends.push(run),
  })
})

const endTurn = (): void => {
  const due = ends
  ends = []
  for (const run of due) run()
}

interface Client {
  readonly name: string
  readonly socket: Socket
  /** Bytes that wait in the socket. */
  buffered: number
}

const clientOf = (name: string): Client => {
  const ws = { getBufferedAmount: () => client.buffered } as FullWebSocket<unknown>
  const limits = { paceBytes: 100, queuedBytes: 1e6, transfers: turns.transfers, publishElsewhere: null }
  const failed = (): never => expect.unreachable()
  const events = { fellBehind: failed, caughtUp: failed, tooSlow: failed }
  const client = { name, buffered: 0, socket: new Socket(ws, limits, true, events) }
  return client
}

/** So many pieces, each of which takes so many milliseconds. */
function* pieces(name: string, count: number, ms: number): Generator<Piece> {
  for (let i = 0; i < count; i++) {
    yield () => {
      now += ms
      sent.push(name)
      return 1
    }
  }
}

const counts = (): Record<string, number> => {
  const all: Record<string, number> = {}
  for (const name of sent) all[name] = (all[name] ?? 0) + 1
  return all
}

test('P83: however many states are to be sent at once, a turn of the loop stays short, and each has its turn', async () => {
  const names = Array.from({ length: 20 }, (_, i) => `client ${i}`)
  const done = names.map((name) => clientOf(name).socket.transfer(pieces(name, 10, 1)))
  expect(now).toBeLessThanOrEqual(5)
  while (ends.length > 0) {
    const before = { sent: sent.length, now }
    endTurn()
    // The last piece of a turn may go past the slice.
    expect(now - before.now).toBeLessThanOrEqual(5)
  }
  expect(await Promise.all(done)).toEqual(names.map(() => true))
  expect(Object.values(counts())).toEqual(names.map(() => 10))
})

test('P83: a large state lets a small one by', async () => {
  const large = clientOf('large').socket.transfer(pieces('large', 100, 0.1))
  const small = clientOf('small').socket.transfer(pieces('small', 1, 0.1))
  expect(counts()).toEqual({ large: 4, small: 1 })
  expect(await small).toBe(true)
  while (ends.length > 0) endTurn()
  expect(await large).toBe(true)
})

test('I6: a client that reads slowly takes no turns; it goes on when it has read', async () => {
  const slow = clientOf('slow')
  const done = slow.socket.transfer(pieces('slow', 10, 0.1))
  slow.buffered = 100
  endTurn()
  endTurn()
  expect([sent.length, ends.length]).toEqual([4, 0])
  slow.buffered = 0
  slow.socket.drained()
  await new Promise(setImmediate)
  expect(sent).toHaveLength(8)
  endTurn()
  expect(await done).toBe(true)
})

test('a socket that closes while its transfer waits is not sent to', async () => {
  const gone = clientOf('gone')
  const done = gone.socket.transfer(pieces('gone', 10, 1))
  gone.socket.closed()
  endTurn()
  expect([await done, sent.length]).toEqual([false, 4])
})
