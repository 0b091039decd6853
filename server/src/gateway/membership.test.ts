import fc from 'fast-check'
import * as Y from 'yjs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { WeftWire } from './weft-member-wire.js'
import type { MemoryLog } from './testing/memory-log.js'
import { ScriptedClient, type Pace } from './testing/scripted-client.js'
import { ScriptedNode } from './testing/scripted-node.js'
import { turn, until } from './testing/turns.js'
import { saying, Typist } from './testing/typist.js'

/* Members of one room whose sockets are read when the test says so: what they get, and in what order. */

vi.mock('yjs', async (original) => {
  const yjs = await original<typeof Y>()
  return { ...yjs, mergeUpdates: vi.fn(yjs.mergeUpdates) }
})

let node: ScriptedNode
const opened: ScriptedNode[] = []

const open = (preload?: (log: MemoryLog) => void): ScriptedNode => {
  const made = new ScriptedNode(preload)
  opened.push(made)
  return made
}

afterEach(() => {
  for (const made of opened.splice(0)) made.dispose()
})

/** A log of updates with a message after every third. */
const history =
  (count: number) =>
  (log: MemoryLog): void => {
    const typist = new Typist()
    for (let i = 1; i <= count; i++) {
      const message = i % 4 === 0
      log.append({
        kind: message ? 'message' : 'update',
        clientId: message ? 'c'.repeat(32) : null,
        clientSeq: message ? i : null,
        name: message ? 'm' : null,
        payload: message ? saying(200) : typist.type(20),
      })
    }
  }

const stateAt = (log: MemoryLog, seq: number) => {
  const doc = new Y.Doc()
  for (const { kind, payload } of log.events.slice(0, seq)) if (kind === 'update') Y.applyUpdate(doc, payload)
  return { doc: Y.encodeStateAsUpdate(doc), watermark: seq, lastMessage: seq }
}

/** Reads what waits until nothing comes any more. */
const readAll = async (...clients: ScriptedClient[]): Promise<void> => {
  await until(() => {
    for (const { socket } of clients) socket.drain()
    return clients.every(({ member, socket, told }) => {
      return member.isLive && socket.getBufferedAmount() === 0 && told === node.log.events.length
    })
  }, 'every client is live and told of all')
  for (const client of clients) client.checkComplete()
}

describe('the initial state', () => {
  test('P18, P28, P29: who resumes before the base gets everything while a compaction moves the base', async () => {
    node = open(history(300))
    // Its transfer keeps the tail from the start, also when the room is compacted.
    const first = new ScriptedClient(node, { mode: 'resume', after: 0 }, null, 'waits')
    await until(() => first.socket.getBufferedAmount() > node.paceBytes, 'the first client is being sent to')
    await node.room.compact()
    expect([node.room.content.baseSeq, node.room.tail.start]).toEqual([300, 0])
    const clients = [4, 10, 51, 120].map((seq) =>
      ScriptedClient.resume(node, stateAt(node.log, seq), 'waits'),
    )
    // So little follows that it could go at once, when the socket had room for it.
    const clogged = [250, 280, 296].map((seq) =>
      ScriptedClient.resume(node, stateAt(node.log, seq), 'clogged'),
    )
    clients.push(...clogged)
    for (let i = 0; i < 30; i++) {
      node.type()
      node.say(200)
      await turn()
    }
    await node.committed()
    first.socket.reading = true
    await readAll(first)
    // The pin is gone, and the next compaction lets go of what no transfer needs.
    await node.room.compact()
    expect(node.room.content.baseSeq).toBe(360)
    expect(clients.every(({ isDone }) => !isDone)).toBe(true)
    for (let i = 0; i < 5; i++) node.say(200)
    await node.committed()
    await readAll(...clients)
    for (const client of [first, ...clients]) {
      expect(client.broken).toEqual([])
      // In order, each once.
      expect(client.events).toEqual(node.log.messages(client.events[0]! - 1, node.log.events.length))
    }
    expect(clients.map(({ events }) => events[0])).toEqual([8, 12, 52, 124, 252, 284, 300])
  })

  test.each(['full', 'diff'] as const)(
    'P18: the messages after JOINED of a %s join come, and none before',
    async (mode) => {
      node = open(history(100))
      const client =
        mode === 'full'
          ? new ScriptedClient(node, { mode }, null, 'waits')
          : ScriptedClient.diff(node, stateAt(node.log, 2), 'waits')
      await until(() => client.socket.getBufferedAmount() > node.paceBytes, 'the state is on its way')
      expect([client.head, client.isDone]).toEqual([100, false])
      for (let i = 0; i < 8; i++) {
        node.say()
        node.type()
      }
      await node.committed()
      expect(client.isDone).toBe(false)
      await readAll(client)
      expect(client.broken).toEqual([])
      expect(client.events).toEqual([101, 103, 105, 107, 109, 111, 113, 115])
      expect(client.order.indexOf('event 101')).toBeLessThan(client.frames.findIndex(isDone))
      // Live now: the next one comes once.
      node.say()
      await node.committed()
      await readAll(client)
      expect(client.events.at(-1)).toBe(117)
      expect(client.events).toHaveLength(9)
    },
  )

  test('P17: what waits for a database that is away comes, and no long merge stops the event loop', async () => {
    node = open(history(10))
    node.log.pause()
    for (let i = 0; i < 500; i++) node.type()
    const merge = vi.mocked(Y.mergeUpdates)
    merge.mockClear()
    const client = new ScriptedClient(node, { mode: 'full' })
    const resumed = ScriptedClient.resume(node, stateAt(node.log, 4))
    await until(() => client.member.isLive && resumed.member.isLive, 'they are live')
    expect(merge.mock.calls.length).toBeGreaterThan(0)
    expect(Math.max(0, ...merge.mock.calls.map(([updates]) => updates.length))).toBeLessThanOrEqual(64)
    for (const { keys, broken } of [client, resumed]) {
      expect(keys).toBe(508)
      expect(broken).toEqual([])
    }
    node.log.resume()
    await node.committed()
    await readAll(client, resumed)
    expect([...client.broken, ...resumed.broken]).toEqual([])
  })

  test('I6: what came while the last part waited for the socket goes in parts, not all in one turn', async () => {
    node = open(history(10))
    const last = vi.spyOn(WeftWire.prototype, 'lastMessage')
    const client = ScriptedClient.resume(node, stateAt(node.log, 10), 'clogged')
    await turn()
    await turn()
    for (let i = 0; i < 500; i++) node.say(10)
    await node.committed()
    expect(client.member.isLive).toBe(false)
    await readAll(client)
    expect(client.events).toHaveLength(500)
    expect(last.mock.calls.length).toBeLessThanOrEqual(64)
    last.mockRestore()
  })

  test('P17: a member goes live in a room that is never quiet', async () => {
    node = open(history(10))
    const burst = (): void => {
      for (let i = 0; i < 100; i++) node.type()
      node.say()
    }
    burst()
    const clients = [
      new ScriptedClient(node, { mode: 'full' }),
      ScriptedClient.resume(node, stateAt(node.log, 4)),
      ScriptedClient.diff(node, stateAt(node.log, 4)),
    ]
    let turns = 0
    // More than fits a last part comes in every turn.
    for (; turns < 200 && !clients.every(({ member }) => member.isLive); turns++) {
      burst()
      await turn()
    }
    expect(turns).toBeLessThan(100)
    await node.committed()
    await readAll(...clients)
    expect(clients.flatMap(({ broken }) => broken)).toEqual([])
  })
})

type Step =
  | { do: 'type' | 'say'; count: number; length: number }
  | { do: 'foreign'; kind: 'update' | 'message'; tell: boolean }
  | { do: 'fault'; fault: 'ambiguous' | 'lost' }
  | { do: 'compact' | 'turn' }
  | { do: 'join'; mode: 'full' | 'diff' | 'resume'; state: number; pace: Pace }
  | { do: 'read'; client: number; bytes: number }
  | { do: 'pace'; client: number; reading: boolean }
  | { do: 'leave'; client: number }

const index = fc.nat(1_000)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('type', 'say'),
      count: fc.integer({ min: 1, max: 6 }),
      length: fc.constantFrom(1, 300, 3_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('foreign'),
      kind: fc.constantFrom('update', 'message'),
      tell: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('fault'), fault: fc.constantFrom('ambiguous', 'lost') }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('compact', 'turn', 'turn') }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('join'),
      mode: fc.constantFrom('full', 'diff', 'resume', 'resume'),
      state: index,
      pace: fc.constantFrom('reads', 'waits', 'clogged'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('read'),
      client: index,
      bytes: fc.constantFrom(500, 5_000, Infinity),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pace'), client: index, reading: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave'), client: index }) },
)

test('P17, P28, P29, P36: whatever happens in whatever order, nobody misses anything', async () => {
  const statistics = { drops: 0, joins: 0 }
  const run = async (steps: readonly Step[], latency: number, preload: number): Promise<void> => {
    node = open(history(preload))
    node.workers.latency = latency
    const clients: ScriptedClient[] = []
    const all: ScriptedClient[] = []
    const pick = <T>(list: readonly T[], at: number): T | undefined => list[at % Math.max(1, list.length)]
    const join = (wanted: Extract<Step, { do: 'join' }>): ScriptedClient => {
      const state = pick(
        all.flatMap(({ states }) => states),
        wanted.state,
      )
      if (wanted.mode === 'full' || state === undefined) {
        return new ScriptedClient(node, { mode: 'full' }, null, wanted.pace)
      }
      const { pace } = wanted
      return wanted.mode === 'diff'
        ? ScriptedClient.diff(node, state, pace)
        : ScriptedClient.resume(node, state, pace)
    }
    for (const current of steps) {
      switch (current.do) {
        case 'type':
        case 'say':
          for (let i = 0; i < current.count; i++) node[current.do](current.length)
          break
        case 'foreign':
          node.foreign(current.kind)
          if (current.tell) node.tell()
          break
        case 'fault':
          node.log.faults.push(current.fault)
          break
        case 'compact':
          void node.room.compact()
          break
        case 'turn':
          await turn()
          break
        case 'join': {
          const client = join(current)
          clients.push(client)
          all.push(client)
          break
        }
        case 'read':
          pick(clients, current.client)?.socket.drain(current.bytes)
          break
        case 'pace': {
          const client = pick(clients, current.client)
          if (client === undefined) break
          client.socket.reading = current.reading
          if (current.reading) client.socket.drain()
          break
        }
        case 'leave':
          if (clients.length > 0) clients.splice(current.client % clients.length, 1)[0]?.leave()
          break
      }
    }
    // What the last commit may have left open is closed by one that is heard of.
    await node.committed()
    await until(() => {
      for (const { socket } of clients) {
        socket.reading = true
        socket.drain()
      }
      return clients.every(({ member, broken }) => member.isLive || broken.length > 0)
    }, 'every client is live')
    for (let i = 0; i < 6; i++) await turn()
    // Each could have been cut off at any watermark: the oldest and some others are tried.
    const states = all.flatMap((client) => client.states)
    for (let i = 0; i < 5; i++) {
      const state = states[Math.floor((i * states.length) / 5)]
      if (state !== undefined) clients.push(ScriptedClient.resume(node, state))
    }
    await until(
      () => clients.every(({ member, broken }) => member.isLive || broken.length > 0),
      'all are back',
    )
    for (let i = 0; i < 6; i++) await turn()
    for (const client of clients) client.checkComplete()
    for (const { socket } of [...all, ...clients]) statistics.drops += socket.drops
    statistics.joins += all.length
    expect(all.concat(clients).flatMap(({ broken }) => broken)).toEqual([])
    expect(node.faults).toEqual([])
    node.dispose()
  }
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
  console.log(`membership: SEED=${seed}`)
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }),
      fc.constantFrom(0, 1, 3),
      fc.constantFrom(0, 5, 150),
      run,
    ),
    { seed, numRuns: Number(process.env.RUNS ?? 100) },
  )
  expect(statistics.drops).toBeGreaterThan(0)
  expect(statistics.joins).toBeGreaterThan(50)
})

const isDone = (frame: ScriptedClient['frames'][number]): boolean =>
  frame.type === 'sync' && frame.part === 'done'
