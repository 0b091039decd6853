/* What a HocuspocusProvider's socket does with bad input, too much of it, slow readers, and a shutdown (P71, P72). */
import * as encoding from 'lib0/encoding'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { openStore, type Store } from '../store/index.js'
import { CommitGate } from '../testing/commit-gate.js'
import { FaultyStore, Ledger } from '../testing/faulty-store.js'
import { HocuspocusClients } from '../testing/hocuspocus-clients.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { makeDataDir } from '../testing/data-dir.js'
import type { TempDir } from '../testing/temp-dir.js'
import { until, within } from '../testing/until.js'

let dir: TempDir
let store: Store
let server: TestServer
let clients: HocuspocusClients
const gate = new CommitGate()

beforeAll(async () => {
  dir = await makeDataDir()
  store = await openStore({ dataDir: dir.path, logger: pino({ level: 'silent' }) })
  server = await startServer({
    store: new FaultyStore(store, new Ledger(), gate.pass),
    maxRoomsPerConnection: 3,
    maxUpdateBytes: 64 * 1024,
    maxFrameBytes: 128 * 1024,
    maxEventBytes: 1024,
    maxBackpressureBytes: 512 * 1024,
  })
})
beforeEach(() => {
  clients = new HocuspocusClients(`${server.wsUrl}/hocuspocus`)
})
afterEach(() => clients.destroy())
afterAll(async () => {
  expect(server.faults).toEqual([])
  await server.dispose()
  await store.close()
  await dir.remove()
})

const message = (address: string, ...parts: readonly (number | string | Uint8Array)[]): Uint8Array => {
  const encoder = encoding.createEncoder()
  encoding.writeVarString(encoder, address)
  for (const part of parts) {
    if (typeof part === 'number') encoding.writeVarUint(encoder, part)
    else if (typeof part === 'string') encoding.writeVarString(encoder, part)
    else encoding.writeVarUint8Array(encoder, part)
  }
  return encoding.toUint8Array(encoder)
}

describe('P72: bad input', () => {
  const document: [string, Uint8Array, RegExp][] = [
    ['half a message', message('bad', 0, 2).slice(0, 5), /not of the protocol/],
    ['a sync message of no kind', message('bad', 0, 9), /unknown kind/],
    ['an update that is none', message('bad', 0, 2, new Uint8Array([1, 1, 1, 0, 132])), /./],
    ['a step 1 that is none', message('bad', 0, 0, new Uint8Array([200])), /state vector/],
    ['a broadcast stateless', message('bad', 6, 'x'), /servers alone/],
    ['awareness that is none', message('bad', 1, new Uint8Array([9, 9])), /awareness/],
    ['an update beyond the limit', message('bad', 0, 2, new Uint8Array(70_000)), /at most 65536 bytes/],
    ['a message beyond the limit', message('bad', 0, 2, new Uint8Array(200_000)), /too large/],
    ['a stateless message beyond the limit', message('bad', 5, 'x'.repeat(2_000)), /at most 1024 bytes/],
  ]
  test.each(document)('%s ends its document and no other', async (_name, bytes, reason) => {
    const socket = clients.openSocket()
    const [bad, good] = [
      await clients.open('bad', { socket }).synced(),
      await clients.open('good', { socket }).synced(),
    ]
    socket.send(bytes)
    await until(() => bad.closes.length === 1, 'the close message')
    expect(bad.closes[0]).toMatch(reason)
    good.type('x')
    await good.saved()
    expect([good.closes, good.denials]).toEqual([[], []])
    // It may come back.
    bad.provider.detach()
    bad.provider.attach()
    bad.type('y')
    await bad.saved()
  })

  test.each([
    ['no address', new Uint8Array([255])],
    ['an address that is too long', message('x'.repeat(1_000), 2, 0, '')],
    ['a text message', 'hello'],
  ])('%s closes the socket with 4400', async (_name, data) => {
    const ws = new WebSocket(`${server.wsUrl}/hocuspocus`)
    const closed = new Promise<number>((resolve) => ws.on('close', resolve))
    ws.on('open', () => ws.send(data))
    expect(await within(closed, 'the close')).toBe(4400)
  })

  test('P60: messages of an unknown type are ignored; a name that is no room name is denied', async () => {
    const provided = await clients.open('unknown').synced()
    provided.socket.send(message('unknown', 99, 'x'))
    provided.type('x')
    await provided.saved()
    const nameless = clients.open('')
    await until(() => nameless.denials.length === 1, 'the denial')
    expect(nameless.denials[0]).toMatch(/empty/)
  })

  test('P61: one document more than the limit is denied, and there is room again when one is closed', async () => {
    const socket = clients.openSocket()
    const [first] = await Promise.all(
      ['1', '2', '3'].map((name) => clients.open(`limit ${name}`, { socket }).synced()),
    )
    const fourth = clients.open('limit 4', { socket })
    await until(() => fourth.denials.length > 0, 'the denial')
    expect(fourth.denials[0]).toMatch(/at most 3 documents/)
    first?.provider.detach()
    const fifth = await clients.open('limit 5', { socket }).synced()
    fifth.type('x')
    await fifth.saved()
  })

  test('what a client sends before its token is not kept beyond a limit', async () => {
    const ws = new WebSocket(`${server.wsUrl}/hocuspocus`)
    const received: Uint8Array[] = []
    ws.on('message', (data: Buffer) => received.push(new Uint8Array(data)))
    await new Promise((resolve) => ws.on('open', resolve))
    const update = message('early', 0, 2, Y.encodeStateAsUpdate(new Y.Doc()))
    for (let i = 0; i < 10_000; i++) ws.send(update)
    ws.send(message('early', 0, 0, new Uint8Array([0])))
    ws.send(message('early', 2, 0, '', '4.0.0'))
    await until(() => received.length >= 3, 'the document')
    ws.close()
  })
})

describe('P36: a provider that stops reading', () => {
  test('is caught up on both documents of its socket', async () => {
    const [one, two] = [await clients.open('slow 1').synced(), await clients.open('slow 2').synced()]
    const socket = clients.openSocket()
    const readers = [
      await clients.open('slow 1', { socket }).synced(),
      await clients.open('slow 2', { socket, sessionAwareness: true }).synced(),
    ]
    const ws = socket.webSocket as unknown as WebSocket
    ws.pause()
    const before = await server.metric('weft_backpressure_total')
    const fill = 'x'.repeat(30_000)
    for (let i = 0; (await server.metric('weft_backpressure_total')) === before; i++) {
      if (i > 2_000) throw new Error('the socket does not fill up')
      for (const { provider } of [one, two]) provider.document.getMap('cells').set('cell', `${i} ${fill}`)
      if (i % 10 === 9) await Promise.all([one.saved(), two.saved()])
    }
    one.type('the end')
    two.type('the end')
    await Promise.all([one.saved(), two.saved()])
    ws.resume()
    await until(() => readers.every(({ content }) => content === 'the end'), 'the updates')
    for (const reader of readers) {
      expect(reader.provider.document.getMap('cells').get('cell')).toBe(
        (reader === readers[0] ? one : two).provider.document.getMap('cells').get('cell'),
      )
    }
    expect(socket.webSocket).toBe(ws)
  })
})

describe('P71: a shutdown', () => {
  test('sends the SyncStatuses of what it commits, then closes with 4501', async () => {
    const provided = await clients.open('drain').synced()
    await provided.saved()
    const idle = await clients.open('idle').synced()
    await idle.saved()
    const codes: number[] = []
    for (const { socket } of [provided, idle]) {
      ;(socket.webSocket as unknown as WebSocket).on('close', (code) => void codes.push(code))
    }
    gate.shut()
    const other = await clients.open('drain').synced()
    provided.type('x')
    await until(() => other.content === 'x', 'the relay')
    let countAtClose = -1
    ;(provided.socket.webSocket as unknown as WebSocket).on(
      'close',
      () => void (countAtClose = provided.unsynced),
    )
    const stopped = server.stop()
    await until(() => codes.length === 1, 'the end of the idle one')
    expect(provided.unsynced).toBe(1)
    gate.open()
    expect(await stopped).toBe(0)
    await until(() => codes.length === 2, 'the end')
    expect(countAtClose).toBe(0)
    expect(codes).toEqual([4501, 4501])
  })
})
