import type { Room } from '@weft/client'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import WebSocket from 'ws'
import type { WebsocketProvider } from 'y-websocket'
import { MemoryBus, type Bus, type BusMessage, type NodeId, type NodeMessage } from '../bus/index.js'
import type { RoomId } from '../ids.js'
import { startPostgres, until, type TestPostgres } from '../testing/index.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { People, sees, watchFor, type Shown } from './presence-people.js'

/* Presence of stock clients and of the SDK across servers that share a database and a bus. */

/** A node's end of the bus that can be cut: nothing goes out and nothing comes in, and nobody is told. */
class CuttableBus implements Bus {
  isCut = false
  /** How often it said that it is alive: about once a second. */
  heartbeats = 0
  private readonly end: Bus

  constructor(end: Bus) {
    this.end = end
  }

  get node(): NodeId {
    return this.end.node
  }

  get isAlone(): boolean {
    return this.end.isAlone
  }

  get isHealthy(): boolean {
    return this.end.isHealthy
  }

  publish(room: RoomId, message: BusMessage): void {
    if (!this.isCut) this.end.publish(room, message)
  }

  subscribe(room: RoomId, listener: (message: BusMessage, from: NodeId) => void): () => void {
    return this.end.subscribe(room, (message, from) => {
      if (!this.isCut) listener(message, from)
    })
  }

  announce(message: NodeMessage): void {
    if (message.kind === 'alive') this.heartbeats++
    if (!this.isCut) this.end.announce(message)
  }

  onAnnouncement(listener: (message: NodeMessage, from: NodeId) => void): () => void {
    return this.end.onAnnouncement((message, from) => {
      if (!this.isCut) listener(message, from)
    })
  }

  onHealth(listener: (isHealthy: boolean) => void): () => void {
    return this.end.onHealth(listener)
  }

  close(): Promise<void> {
    return this.end.close()
  }
}

interface TestNode {
  readonly server: TestServer
  readonly bus: CuttableBus
}

let postgres: TestPostgres
let databaseUrl: string
const shared = new MemoryBus()
let a: TestNode
let b: TestNode
let c: TestNode
const people = new People()

const startNode = async (name: string): Promise<TestNode> => {
  const bus = new CuttableBus(shared.connect(name))
  return { bus, server: await startServer({ databaseUrl, bus }) }
}

const stopNode = async ({ server, bus }: TestNode): Promise<void> => {
  expect(server.faults).toEqual([])
  await server.dispose()
  await bus.close()
}

const stock = (node: TestNode, room: string, like?: WebsocketProvider): WebsocketProvider =>
  people.stock(node.server.wsUrl, room, like)
const sdk = (node: TestNode, name: string): Promise<Room<Shown>> => people.sdk(node.server.wsUrl, name)

beforeAll(async () => {
  vi.stubGlobal('WebSocket', WebSocket)
  postgres = await startPostgres()
  databaseUrl = await postgres.createDatabase()
  a = await startNode('a')
  ;[b, c] = await Promise.all([startNode('b'), startNode('c')])
})

afterEach(() => people.leave())

afterAll(async () => {
  vi.unstubAllGlobals()
  await Promise.all([a, b, c].map(stopNode))
  await postgres.dispose()
})

describe('presence across nodes', () => {
  test('P30, P33: stock clients and the SDK see each other from any node, those who were there first too', async () => {
    const [onA, onB] = [stock(a, 'seen'), await sdk(b, 'seen')]
    onA.awareness.setLocalState({ name: 'ada' })
    onB.presence.set({ name: 'bob' })
    await Promise.all([sees(onA, 'bob'), sees(onB, 'ada')])
    const onC = stock(c, 'seen')
    await sees(onC, 'ada', 'bob')
    onC.awareness.setLocalState({ name: 'cy' })
    await Promise.all([sees(onA, 'bob', 'cy'), sees(onB, 'ada', 'cy')])
    onB.presence.set({ name: 'bea' })
    await Promise.all([sees(onA, 'bea', 'cy'), sees(onC, 'ada', 'bea')])
  })

  test('P32: whoever leaves, hides or loses the connection is gone on every node at once', async () => {
    const [leaving, hiding, cut] = [stock(a, 'leave'), stock(a, 'leave'), await sdk(a, 'leave')]
    const watchers = [stock(b, 'leave'), await sdk(c, 'leave')]
    leaving.awareness.setLocalState({ name: 'leaving' })
    hiding.awareness.setLocalState({ name: 'hiding' })
    cut.presence.set({ name: 'cut' })
    await Promise.all(watchers.map((watcher) => sees(watcher, 'cut', 'hiding', 'leaving')))
    const started = performance.now()
    leaving.disconnect()
    await Promise.all(watchers.map((watcher) => sees(watcher, 'cut', 'hiding')))
    hiding.awareness.setLocalState(null)
    await Promise.all(watchers.map((watcher) => sees(watcher, 'cut')))
    people.clients[0]?.disconnect()
    await Promise.all(watchers.map((watcher) => sees(watcher)))
    // Not after a node's silence, nor by the receivers' own timeout.
    expect(performance.now() - started).toBeLessThan(2_500)
    leaving.connect()
    await Promise.all(watchers.map((watcher) => sees(watcher, 'leaving')))
  })

  test("P33: a stock client's renewal, the same state under the next clock, reaches other nodes", async () => {
    const [renewing, watcher] = [stock(a, 'renew'), stock(b, 'renew')]
    renewing.awareness.setLocalState({ name: 'ada' })
    await sees(watcher, 'ada')
    const id = renewing.doc.clientID
    const before = watcher.awareness.meta.get(id)?.clock ?? 0
    renewing.awareness.setLocalState(renewing.awareness.getLocalState())
    await until(() => (watcher.awareness.meta.get(id)?.clock ?? 0) > before, 'the renewal')
  })

  test.each([
    ['that has the room open', true],
    ['that opens the room for it', false],
  ])(
    'P31: a client that moves to a node %s is never invisible, nor removed by its old node',
    async (_which, open) => {
      const room = `move ${open}`
      const [moving, onA, onC] = [stock(a, room), stock(a, room), await sdk(c, room)]
      if (open) await sees(stock(b, room))
      moving.awareness.setLocalState({ name: 'moving' })
      await Promise.all([sees(onA, 'moving'), sees(onC, 'moving')])
      // Longer than a claim is defended.
      const beats = a.bus.heartbeats
      await until(() => a.bus.heartbeats > beats + 2, 'some seconds of node a')
      const missed = [onA, onC].map((watcher) => watchFor(watcher, moving.doc.clientID))
      const before = [onA, onC].map(({ awareness }) => awareness.meta.get(moving.doc.clientID)?.clock)
      // The old socket is still open when the new one comes.
      const moved = stock(b, room, moving)
      for (const [index, { awareness }] of [onA, onC].entries()) {
        const known = before[index] ?? 0
        await until(() => (awareness.meta.get(moving.doc.clientID)?.clock ?? 0) > known, 'the takeover')
      }
      moving.disconnect()
      moved.awareness.setLocalState({ name: 'moved' })
      await Promise.all([sees(onA, 'moved'), sees(onC, 'moved')])
      // What the old node had to say has come by then: it was said before this.
      onA.awareness.setLocalState({ name: 'last' })
      await sees(onC, 'last', 'moved')
      expect(missed.map((count) => count())).toEqual([0, 0])
      await sees(stock(a, room), 'last', 'moved')
    },
  )

  test('P32: a node that falls silent takes its clients along within 5 s; they are back once it is heard again', async () => {
    const node = await startNode('silent')
    const [theirs, ours] = [stock(node, 'silent'), stock(b, 'silent')]
    theirs.awareness.setLocalState({ name: 'theirs' })
    ours.awareness.setLocalState({ name: 'ours' })
    await Promise.all([sees(theirs, 'ours'), sees(ours, 'theirs')])
    const started = performance.now()
    node.bus.isCut = true
    await Promise.all([sees(theirs), sees(ours)])
    expect(performance.now() - started).toBeLessThan(5_000)
    node.bus.isCut = false
    await Promise.all([sees(theirs, 'ours'), sees(ours, 'theirs')])
    await stopNode(node)
  })

  test('P32: a node that stops cleanly takes its clients along at once', async () => {
    const node = await startNode('stopping')
    const [theirs, ours] = [stock(node, 'stopping'), stock(c, 'stopping')]
    theirs.awareness.setLocalState({ name: 'theirs' })
    await sees(ours, 'theirs')
    const started = performance.now()
    const stopped = node.server.stop()
    await sees(ours)
    expect(performance.now() - started).toBeLessThan(2_500)
    await stopped
    await stopNode(node)
  })
})
