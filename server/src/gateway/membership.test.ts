import * as Y from 'yjs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  ScriptedClient,
  ScriptedNode,
  saying,
  Typist,
  turn,
  until,
  type MemoryLog,
} from './testing/scripted-node.js'

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
    const first = new ScriptedClient(node, { mode: 'resume', after: 0 }, null, false)
    await until(() => first.socket.getBufferedAmount() > node.paceBytes, 'the first client is being sent to')
    await node.room.compact()
    expect([node.room.content.baseSeq, node.room.tail.start]).toEqual([300, 0])
    const clients = [4, 10, 51, 120].map((seq) => ScriptedClient.resume(node, stateAt(node.log, seq), false))
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
    expect(clients.map(({ events }) => events[0])).toEqual([8, 12, 52, 124])
  })

  test.each(['full', 'diff'] as const)(
    'P18: the messages after JOINED of a %s join come, and none before',
    async (mode) => {
      node = open(history(100))
      const client =
        mode === 'full'
          ? new ScriptedClient(node, { mode }, null, false)
          : ScriptedClient.diff(node, stateAt(node.log, 2), false)
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

const isDone = (frame: ScriptedClient['frames'][number]): boolean =>
  frame.type === 'sync' && frame.part === 'done'
