/* Unmodified y-websocket providers against a real server, alone and beside the SDK (PROTOCOL.md, "Stock Yjs clients"). */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { createClient } from '@weft/client'
import { startServer, type TestServer } from '../testing/start-server.js'
import { until } from '../testing/until.js'
import { WeftBot } from '../testing/weft-bot.js'
import { YjsRaw } from '../testing/yjs-raw.js'

let server: TestServer
const providers: WebsocketProvider[] = []

interface Options {
  readonly doc?: Y.Doc
  readonly connect?: boolean
  readonly resyncInterval?: number
}

const provide = (room: string, options: Options = {}): WebsocketProvider => {
  const { doc = new Y.Doc(), ...rest } = options
  const provider = new WebsocketProvider(`${server.wsUrl}/yjs`, room, doc, {
    WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
    disableBc: true,
    maxBackoffTime: 200,
    ...rest,
  })
  providers.push(provider)
  return provider
}

const textOf = ({ doc }: { readonly doc: Y.Doc }): Y.Text => doc.getText('text')
const contentOf = (holder: { readonly doc: Y.Doc }): string => textOf(holder).toJSON()
const synced = (provider: WebsocketProvider): Promise<void> => until(() => provider.synced, 'synced')

const sdkClient = (): ReturnType<typeof createClient> =>
  createClient({
    url: server.wsUrl,
    WebSocket,
  })

beforeAll(async () => {
  // The provider's resync reads a constant of the browser's class, which Node 20 lacks.
  vi.stubGlobal('WebSocket', WebSocket)
  server = await startServer()
})
afterEach(() => {
  for (const provider of providers.splice(0)) {
    provider.destroy()
    provider.awareness.destroy()
  }
})
afterAll(async () => {
  expect(server.faults).toEqual([])
  await server.dispose()
  vi.unstubAllGlobals()
})

describe('documents', () => {
  test('two providers converge with concurrent edits', async () => {
    const [a, b] = [provide('converge'), provide('converge')]
    await Promise.all([synced(a), synced(b)])
    for (let i = 0; i < 50; i++) {
      textOf(a).insert(0, `a${i} `)
      textOf(b).insert(textOf(b).length, `b${i} `)
      if (i % 10 === 9) await until(() => contentOf(a).includes('b'), 'something of b')
    }
    await until(() => contentOf(a) === contentOf(b) && contentOf(a).length > 300, 'the same content')
    expect(contentOf(a).match(/a\d+ /g)).toHaveLength(50)
    expect(contentOf(a).match(/b\d+ /g)).toHaveLength(50)
  })

  test('P39: `synced` means that the content is there', async () => {
    const writer = provide('synced')
    await synced(writer)
    textOf(writer).insert(0, 'x'.repeat(100_000))
    const watcher = await YjsRaw.open(server.wsUrl, 'synced')
    await until(() => watcher.text.length === 100_000, 'the relay')
    for (let i = 0; i < 5; i++) {
      const reader = provide('synced')
      const lengthAtSync = new Promise<number>((resolve) => {
        reader.once('sync', () => resolve(contentOf(reader).length))
      })
      expect(await lengthAtSync).toBe(100_000)
    }
    await watcher.close()
  })

  test('P39: a step 1 is answered by what its vector lacks, the last part of it as the step 2', async () => {
    const first = await YjsRaw.open(server.wsUrl, 'lacks')
    first.type('known')
    const second = await YjsRaw.open(server.wsUrl, 'lacks')
    await until(() => second.text === 'known', 'the content')
    first.type('x'.repeat(50_000))
    await until(() => second.text === first.text, 'the relay')
    // Once it is committed, a vector that has it all gets next to nothing: the delete set, and a short tail.
    await until(async () => (await server.metric('weft_journal_depth')) === 0, 'the commit')
    await second.sync()
    const last = second.messages.filter(({ type }) => type === 'step2').at(-1)
    expect(last?.bytes.length).toBeLessThanOrEqual(100)
    // The server's own step 1 came first, so that a client brings what the server lacks.
    expect(second.messages[0]?.type).toBe('step1')
    await Promise.all([first.close(), second.close()])
  })

  test('offline edits of a provider are merged when it is back', async () => {
    const [a, b] = [provide('offline'), provide('offline')]
    await Promise.all([synced(a), synced(b)])
    textOf(a).insert(0, 'base ')
    await until(() => contentOf(b) === 'base ', 'the base')
    a.disconnect()
    textOf(a).insert(5, 'offline ')
    textOf(b).insert(5, 'online ')
    a.connect()
    await until(() => contentOf(a) === contentOf(b) && contentOf(a).length === 20, 'the merge')
  })

  test('a resync does not disturb anybody (resyncInterval)', async () => {
    const writer = provide('resync', { resyncInterval: 20 })
    const reader = provide('resync', { resyncInterval: 20 })
    await Promise.all([synced(writer), synced(reader)])
    for (let i = 0; i < 30; i++) {
      textOf(writer).insert(0, `${i} `)
      await until(() => contentOf(reader) === contentOf(writer), 'the edit')
    }
    expect(reader.wsconnected).toBe(true)
  })

  test('P39: a second step 1 for a large document, while others type, leaves the connection whole', async () => {
    const writer = await YjsRaw.open(server.wsUrl, 'resync large')
    const reader = await YjsRaw.open(server.wsUrl, 'resync%20large')
    const large = 8 * 1024 * 1024
    writer.type('y'.repeat(large))
    await until(() => reader.text.length === large, 'the text')
    // The whole state in fragments, as fast as it is read: live updates may not fall between them.
    const empty = Y.encodeStateVector(new Y.Doc())
    reader.pause()
    reader.step1(empty)
    reader.step1(empty)
    const watcher = await YjsRaw.open(server.wsUrl, 'resync%20large')
    for (let i = 1; i <= 20; i++) {
      writer.type('z')
      await until(() => watcher.text.length === large + i, 'the edit')
    }
    reader.resume()
    await until(
      () => !reader.isOpen || (reader.text === writer.text && reader.count('step2') === 3),
      'all of it',
    )
    expect(reader.isOpen).toBe(true)
    expect(reader.text).toBe(writer.text)
    await Promise.all([writer.close(), reader.close(), watcher.close()])
  })

  test.each([
    ['a/b/c d', 'a/b/c d'],
    ['größe-✓-房间', 'größe-✓-房间'],
    ['100%25 sure%3F %23x', '100% sure? #x'],
    ['a%2Fb', 'a/b'],
    ['..%2F..%2Fetc', '../../etc'],
    ['%F0%9F%98%80'.repeat(128), '😀'.repeat(128)],
  ])('P37: /yjs/%s is the room %s', async (path, name) => {
    const raw = await YjsRaw.open(server.wsUrl, path)
    raw.type(`in ${name}`)
    const bot = await WeftBot.open(server.wsUrl)
    const room = await bot.join(name)
    await until(() => room.text === `in ${name}`, 'the same room')
    await Promise.all([raw.close(), bot.close()])
  })

  test('P40: a step 2 that adds nothing is neither relayed nor stored, deletes included', async () => {
    const bot = await WeftBot.open(server.wsUrl)
    const room = await bot.join('nothing')
    room.type('hello world')
    room.edit((text) => text.delete(0, 6))
    await room.saved()
    const received = await server.metric('weft_updates_received_total')
    // Not the frames: a watermark may come meanwhile.
    const deliveries = await server.metric('weft_updates_delivered_total')
    const raw = await YjsRaw.open(server.wsUrl, 'nothing')
    expect(raw.text).toBe('world')
    // Its whole state: structs that are known, and the delete set.
    raw.step2(Y.encodeStateAsUpdate(raw.doc))
    raw.step2(Y.encodeStateAsUpdate(raw.doc))
    raw.update(new Uint8Array([0, 0]))
    await raw.sync()
    expect(await server.metric('weft_updates_received_total')).toBe(received)
    expect(await server.metric('weft_updates_delivered_total')).toBe(deliveries)
    // One that adds only a delete is a change.
    const doc = new Y.Doc()
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(raw.doc))
    doc.getText('text').delete(0, 1)
    raw.step2(Y.encodeStateAsUpdate(doc))
    await until(() => room.text === 'orld', 'the delete')
    await Promise.all([raw.close(), bot.close()])
  })

  test('a restart keeps the content, and providers come back to it by themselves', async () => {
    const provider = provide('restart')
    await synced(provider)
    const committed = (): Promise<number> => server.metric('weft_journal_batch_entries_sum')
    const before = await committed()
    textOf(provider).insert(0, 'kept')
    await until(async () => (await committed()) > before, 'the commit')
    const closes: (number | null)[] = []
    provider.on('connection-close', (event: { code: number } | null) => void closes.push(event?.code ?? null))
    await server.restart()
    const late = provide('restart')
    await synced(late)
    expect(contentOf(late)).toBe('kept')
    await synced(provider)
    textOf(provider).insert(4, ' on')
    await until(() => contentOf(late) === 'kept on', 'the edit after the restart')
    expect(closes[0]).toBe(4501)
  })
})

describe('beside the SDK', () => {
  test('an SDK client and a stock client edit one document and see each other', async () => {
    const stock = provide('mixed')
    const client = sdkClient()
    const room = client.room<{ name: string }>('mixed')
    await Promise.all([synced(stock), room.synced()])
    textOf(stock).insert(0, 'stock ')
    await until(() => room.doc.getText('text').toJSON() === 'stock ', 'the stock edit')
    room.doc.getText('text').insert(6, 'sdk')
    await until(() => contentOf(stock) === 'stock sdk', 'the SDK edit')
    await room.saved()

    stock.awareness.setLocalStateField('name', 'stock')
    room.presence.set({ name: 'sdk' })
    await until(
      () => room.presence.others.some(({ presence }) => presence.name === 'stock'),
      'stock at the SDK',
    )
    const seen = (): unknown => stock.awareness.getStates().get(room.doc.clientID)
    await until(
      () => (seen() as { name?: string } | undefined)?.name === 'sdk',
      'the SDK at the stock client',
    )
    client.close()
    await until(() => seen() === undefined, 'the SDK client gone')
  })
})

describe('presence', () => {
  const stateOf = (at: WebsocketProvider, of: WebsocketProvider): unknown =>
    at.awareness.getStates().get(of.doc.clientID)

  test('P43, P33: awareness goes both ways, and a provider that leaves is gone at once', async () => {
    const [a, b] = [provide('presence'), provide('presence')]
    await Promise.all([synced(a), synced(b)])
    a.awareness.setLocalStateField('user', { name: 'ada' })
    b.awareness.setLocalStateField('user', { name: 'bob' })
    await until(() => stateOf(a, b) !== undefined && stateOf(b, a) !== undefined, 'each other')
    expect(stateOf(b, a)).toEqual({ user: { name: 'ada' } })
    const c = provide('presence')
    await until(() => stateOf(c, a) !== undefined && stateOf(c, b) !== undefined, 'both, at the newcomer')
    const before = performance.now()
    a.destroy()
    await until(() => stateOf(b, a) === undefined, 'a gone')
    expect(performance.now() - before).toBeLessThan(2_000)
  })

  test('P32: a socket that closes without a word clears its presence', async () => {
    const raw = await YjsRaw.open(server.wsUrl, 'clears')
    const watcher = provide('clears')
    await synced(watcher)
    raw.show({ clientId: 77, clock: 1, state: { name: 'raw' } })
    await until(() => watcher.awareness.getStates().has(77), 'the state')
    raw.terminate()
    await until(() => !watcher.awareness.getStates().has(77), 'it gone')
  })

  test('P30, P33: a reconnecting provider is seen again, and echoes settle', async () => {
    const [a, b] = [provide('returns'), provide('returns')]
    await Promise.all([synced(a), synced(b)])
    for (let round = 0; round < 3; round++) {
      a.awareness.setLocalStateField('round', round)
      await until(
        () => (stateOf(b, a) as { round?: number } | undefined)?.round === round,
        `a in round ${round}`,
      )
      a.disconnect()
      await until(() => stateOf(b, a) === undefined, 'a gone')
      a.connect()
      await until(() => stateOf(b, a) !== undefined, 'a back')
      // A change at once, while the server's clock for it is ahead of its own.
      a.awareness.setLocalStateField('at', round)
    }
    await until(() => (stateOf(b, a) as { at?: number } | undefined)?.at === 2, 'the last state')
    expect(stateOf(a, a)).toEqual({ round: 2, at: 2 })
    // What they echo comes to rest: no more frames after a while.
    let last = -1
    await until(async () => {
      const now = await server.metric('weft_deliveries_total', 'yjs')
      const quiet = now === last
      last = now
      await new Promise((resolve) => setTimeout(resolve, 300))
      return quiet
    }, 'quiet')
  })

  test('query awareness is answered with everybody', async () => {
    const shown = await YjsRaw.open(server.wsUrl, 'query')
    shown.show({ clientId: 5, clock: 1, state: { a: 1 } })
    const asking = await YjsRaw.open(server.wsUrl, 'query')
    await until(() => asking.presence.has(5), 'the state')
    asking.presence.clear()
    asking.raw(new Uint8Array([3]))
    await until(() => asking.presence.has(5), 'the answer')
    await Promise.all([shown.close(), asking.close()])
  })
})
