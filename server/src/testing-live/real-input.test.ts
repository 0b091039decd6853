/*
 * Real keystrokes of real people, typed through the SDK against a running server while an unmodified y-websocket client
 * watches. Each keystroke is a transaction of its own. Where the recorded traces are absent, generated ones take their place.
 */
import { createClient, type Client, type Room } from '@weft/client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { serverProcess, type ServerProcess } from '../testing/server-process.js'
import { makeDataDir } from '../testing/data-dir.js'
import type { TempDir } from '../testing/temp-dir.js'
import {
  CodePointTypist,
  concurrentTrace,
  generateTogether,
  generateTyping,
  sequentialTrace,
  Together,
  type ConcurrentTrace,
  type SequentialTrace,
} from '../testing/traces.js'
import { until } from '../testing/until.js'

let dir: TempDir
let server: ServerProcess
const clients: Client[] = []
const providers: WebsocketProvider[] = []

beforeAll(async () => {
  dir = await makeDataDir()
  server = await serverProcess({ DATA_DIR: dir.path, DRAIN_MS: '100' })
  server.spawn()
  await server.untilUp()
})

afterEach(() => {
  for (const client of clients.splice(0)) client.close()
  for (const provider of providers.splice(0)) provider.destroy()
})

afterAll(async () => {
  await server.kill()
  await dir.remove()
})

/** A quarter of a million keystrokes on a machine that is busy with something else. */
const timeout = 180_000

/** A fixed seed: the generated traces are the same each time. */
const random = (): (() => number) => {
  let state = 42
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const roomOf = async (name: string): Promise<Room> => {
  const client = createClient({ url: server.url, timing: { retryBase: 50, retryMax: 200 } })
  clients.push(client)
  const room = client.room(name)
  await room.synced()
  return room
}

const textOf = (doc: Y.Doc): string => doc.getText('text').toJSON()

const watch = async (room: string): Promise<Y.Doc> => {
  const doc = new Y.Doc()
  const provider = new WebsocketProvider(`${server.url}/yjs`, room, doc, {
    WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
    disableBc: true,
  })
  providers.push(provider)
  await until(() => provider.synced, 'the watcher is in sync')
  return doc
}

/** How much of what was typed in `author` has come to `doc`. */
const clockOf = (doc: Y.Doc, author: Y.Doc): number => Y.getState(doc.store, author.clientID)

/** Lets the socket have its turn. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** @param perTurn keystrokes that leave in one frame: what one person types in a loop turn of a busy machine */
const typeTrace = async (name: string, trace: SequentialTrace, perTurn: number): Promise<void> => {
  const room = await roomOf(name)
  const watcher = await watch(name)
  const typist = new CodePointTypist(room.doc.getText('text'))
  if (trace.startContent !== '') room.doc.getText('text').insert(0, trace.startContent)
  for (const [i, { patches }] of trace.txns.entries()) {
    room.doc.transact(() => typist.apply(patches))
    if (i % perTurn === 0) await turn()
  }
  await room.saved()
  expect(room.unsaved).toBe(0)
  // Compared as booleans: nobody wants the difference of two long texts printed.
  expect(textOf(room.doc) === trace.endContent).toBe(true)
  const { length } = trace.endContent
  await until(() => watcher.getText('text').length === length, 'the watcher has everything', 60_000)
  expect(textOf(watcher) === trace.endContent).toBe(true)
}

const restart = async (): Promise<void> => {
  expect(await server.terminate()).toBe(0)
  server.spawn()
  await server.untilUp()
}

describe('keystrokes of one author', () => {
  const cases: [string, () => SequentialTrace, number][] = [
    ['automerge-paper', () => sequentialTrace('automerge-paper', random()), 20],
    ['sveltecomponent', () => sequentialTrace('sveltecomponent', random()), 1],
    ['generated', () => generateTyping(random(), 2_000), 1],
  ]
  test.each(cases)(
    '%s: author, stock watcher and a fresh client after a restart have exactly its end',
    async (name, load, perTurn) => {
      const trace = load()
      await typeTrace(name, trace, perTurn)
      for (const client of clients.splice(0)) client.close()
      await restart()
      const fresh = await roomOf(name)
      expect(textOf(fresh.doc) === trace.endContent).toBe(true)
      // And another as stock clients ask for it: by state vector.
      const watcher = await watch(name)
      expect(textOf(watcher) === trace.endContent).toBe(true)
    },
    timeout,
  )
})

describe('keystrokes of two authors at once', () => {
  const cases: [string, () => ConcurrentTrace][] = [
    ['friendsforever', () => concurrentTrace('friendsforever', random())],
    ['generated together', () => generateTogether(random(), 2_000)],
  ]
  test.each(cases)(
    '%s: both, a stock watcher and a fresh client after a restart converge on what Yjs makes of it alone',
    async (name, load) => {
      const trace = load()
      const alone = new Together(trace.numAgents)
      for (const txn of trace.txns) alone.apply(txn)
      const expected = alone.finish()

      const rooms = [await roomOf(name), await roomOf(name)]
      const watcher = await watch(name)
      // Each author edits a document that has seen what the trace says, and no more; the edit goes into the author's room,
      // as soon as the server has brought what the author has seen of the other.
      const authors = new Together(trace.numAgents)
      for (const [i, txn] of trace.txns.entries()) {
        const update = authors.apply(txn)
        const room = rooms[txn.agent]!
        const seen = authors.docs[txn.agent]!
        const hasCome = (): boolean =>
          authors.docs.every(
            (doc, other) => other === txn.agent || clockOf(room.doc, doc) >= clockOf(seen, doc),
          )
        while (!hasCome()) await turn()
        Y.applyUpdate(room.doc, update, 'typed')
        if (i % 4 === 0) await turn()
      }
      await Promise.all(rooms.map((room) => room.saved()))
      for (const doc of [...rooms.map((room) => room.doc), watcher]) {
        await until(() => doc.getText('text').length === expected.length, 'everybody has everything', 60_000)
        expect(textOf(doc) === expected).toBe(true)
      }
      for (const client of clients.splice(0)) client.close()
      await restart()
      const fresh = await roomOf(name)
      expect(textOf(fresh.doc) === expected).toBe(true)
      expect(expected === trace.endContent).toBe(true)
    },
    timeout,
  )
})
