/* I1 for unmodified HocuspocusProviders: their count of unsynced changes is that of what is not committed. */
import { once } from 'node:events'
import * as encoding from 'lib0/encoding'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { openStore, type Store } from '../store/index.js'
import { CommitGate } from '../testing/commit-gate.js'
import { FaultyStore, Ledger } from '../testing/faulty-store.js'
import { HocuspocusClients, type HocuspocusClient } from '../testing/hocuspocus-clients.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { makeDataDir } from '../testing/data-dir.js'
import { storedText } from '../testing/stored-text.js'
import type { TempDir } from '../testing/temp-dir.js'
import { until } from '../testing/until.js'
import { encodeAddress, encodeAuthenticated, ping } from './hocuspocus-wire.js'

let dir: TempDir
let store: Store
let faulty: FaultyStore
let server: TestServer
const gate = new CommitGate()

beforeAll(async () => {
  dir = await makeDataDir()
  store = await openStore({ dataDir: dir.path, logger: pino({ level: 'silent' }) })
  faulty = new FaultyStore(store, new Ledger(), gate.pass)
  server = await startServer({ store: faulty })
})
afterAll(async () => {
  expect(server.faults).toEqual([])
  await server.dispose()
  await store.close()
  await dir.remove()
})

let clients: HocuspocusClients
beforeEach(() => {
  clients = new HocuspocusClients(`${server.wsUrl}/hocuspocus`)
})
afterEach(() => {
  gate.open()
  clients.destroy()
})

const provide = (name: string): HocuspocusClient => clients.open(name)

const stored = (name: string): Promise<string> => storedText(store, name)

test('I1, P65: the count of unsynced changes falls to 0 after the commit, not after the relay', async () => {
  const [a, b] = [await provide('held').synced(), await provide('held').synced()]
  await Promise.all([a.saved(), b.saved()])
  gate.shut()
  a.type('x')
  a.type('y')
  await until(() => b.content === 'xy', 'the relay')
  expect(a.unsynced).toBe(2)
  expect(await stored('held')).toBe('')
  gate.open()
  await a.saved()
  expect(await stored('held')).toBe('xy')
})

test('P65: each update has its SyncStatus, also one that adds nothing', async () => {
  const a = await provide('nothing').synced()
  await a.saved()
  a.type('x')
  const again = Y.encodeStateAsUpdate(a.provider.document)
  await a.saved()
  // A provider counts whatever it sends.
  a.provider.documentUpdateHandler(again, 'a test')
  a.provider.documentUpdateHandler(new Uint8Array([0, 0]), 'a test')
  expect(a.unsynced).toBe(2)
  await a.saved()
  a.provider.forceSync()
  expect(a.unsynced).toBe(1)
  await a.saved()
})

test('P66: what was edited offline is one change to the provider, and later ones are not taken for saved with it', async () => {
  const a = await provide('offline').synced()
  const watcher = await provide('offline').synced()
  await a.saved()
  a.socket.disconnect()
  await until(() => a.socket.webSocket === null, 'the end of the connection')
  for (const letter of 'abcdef') a.type(letter)
  gate.shut()
  void a.socket.connect()
  await until(() => watcher.content === 'abcdef', 'the relay')
  await until(async () => (await server.metric('weft_journal_depth')) >= 7, 'the step 2')
  await until(() => gate.held === 1, 'the first batch')
  gate.letOneThrough()
  await until(async () => (await stored('offline')) !== '' && gate.held === 1, 'the batch of the rest')
  a.type('g')
  a.type('h')
  await until(() => watcher.content === 'abcdefgh', 'the relay of later edits')
  expect(a.unsynced).toBe(3)
  gate.letOneThrough()
  await until(
    async () => (await stored('offline')) === 'abcdef' && gate.held === 1,
    'the batch of the later ones',
  )
  // It comes after the SyncStatuses.
  watcher.provider.sendStateless('now')
  await until(() => a.stateless.length === 1, 'the message')
  expect(a.unsynced).toBe(2)
  gate.open()
  await a.saved()
  expect(await stored('offline')).toBe('abcdefgh')
})

test('P66: what was undone offline counts for nothing, and what is undone after it for itself', async () => {
  const a = await provide('undone').synced()
  const watcher = await provide('undone').synced()
  a.type('abcdef')
  await a.saved()
  a.socket.disconnect()
  await until(() => a.socket.webSocket === null, 'the end of the connection')
  // Deletes alone: nothing in them says when they were made.
  for (let i = 0; i < 3; i++) a.text.delete(0, 1)
  gate.shut()
  void a.socket.connect()
  await until(() => watcher.content === 'def', 'the relay')
  await until(async () => (await server.metric('weft_journal_depth')) >= 4, 'the step 2')
  expect(a.unsynced).toBe(1)
  a.text.delete(0, 1)
  await until(() => watcher.content === 'ef', 'the relay of a later one')
  expect(a.unsynced).toBe(2)
  const seen = a.counts.length
  gate.open()
  await a.saved()
  expect(await stored('undone')).toBe('ef')
  expect(a.counts.slice(seen, seen + 2)).toEqual([1, 0])
  // And it goes on counting exactly.
  gate.shut()
  a.text.delete(0, 1)
  await until(() => watcher.content === 'f', 'the relay of the last')
  watcher.provider.sendStateless('now')
  await until(() => a.stateless.length === 1, 'the message')
  expect(a.unsynced).toBe(1)
  gate.open()
  await a.saved()
  expect(await stored('undone')).toBe('f')
})

test('P66: what is deleted before the first message of the server has come counts, and is told in the end', async () => {
  const a = await provide('early').synced()
  a.type('abc')
  await a.saved()
  a.socket.disconnect()
  await until(() => a.socket.webSocket === null, 'the end of the connection')
  a.text.delete(0, 1)
  let messages = 0
  a.provider.on('outgoingMessage', () => {
    // The token is the first, the step 1 the second.
    if (++messages === 2) queueMicrotask(() => a.text.delete(0, 1))
  })
  const seen = a.counts.length
  void a.socket.connect()
  await until(() => messages >= 2 && a.unsynced === 0, 'nothing unsynced')
  expect(await stored('early')).toBe('c')
  // The step 1, the delete, the SyncStatus of the step 2, and those of both deletes: the one too many finds a count of 0.
  await until(() => a.counts.length >= seen + 5, 'all SyncStatuses')
  expect(a.counts.slice(seen)).toEqual([1, 2, 1, 0, 0])
})

test('P66: the first message of the server is a ping, just before authenticated', async () => {
  const socket = new WebSocket(`${server.wsUrl}/hocuspocus`)
  const heard: Uint8Array[] = []
  socket.on('message', (data: Buffer) => heard.push(new Uint8Array(data)))
  await once(socket, 'open')
  const token = encoding.createEncoder()
  encoding.writeVarString(token, 'ping')
  for (const part of [2, 0]) encoding.writeVarUint(token, part)
  for (const text of ['', '4']) encoding.writeVarString(token, text)
  socket.send(encoding.toUint8Array(token))
  await until(() => heard.length === 2, 'two messages')
  const address = encodeAddress('ping')
  expect(heard).toEqual([ping, encodeAuthenticated(address, 'write')])
  socket.terminate()
})
