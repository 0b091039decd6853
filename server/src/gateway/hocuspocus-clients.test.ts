/* Unmodified HocuspocusProviders against a real server, alone and beside the others (PROTOCOL.md, "Hocuspocus clients"). */
import type { HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { createClient } from '@weft/client'
import { decodeValue, encodeValue } from '@weft/protocol'
import type { HocuspocusClient, HocuspocusClients, HocuspocusOptions } from '../testing/hocuspocus-clients.js'
import type { TestServer } from '../testing/start-server.js'
import { makeToken } from '../testing/tokens.js'
import { until } from '../testing/until.js'
import { WeftBot } from '../testing/weft-bot.js'
import { HocuspocusScene } from './testing/hocuspocus-scene.js'

let scene: HocuspocusScene
let server: TestServer
let token: string

beforeAll(async () => {
  scene = await HocuspocusScene.start()
  ;({ server, token } = scene)
})
afterAll(() => scene.dispose())

let clients: HocuspocusClients
beforeEach(() => {
  clients = scene.clients()
})
afterEach(() => {
  clients.destroy()
})

const openSocket = (): HocuspocusProviderWebsocket => clients.openSocket()
const provide = (name: string, options: HocuspocusOptions = {}): HocuspocusClient =>
  clients.open(name, options)
const stored = (name: string): Promise<string> => scene.stored(name)

describe('documents', () => {
  test('P60: two providers, an SDK client and a y-websocket client edit one document', async () => {
    const [a, b] = [await provide('all').synced(), await provide('all').synced()]
    const client = createClient({ url: server.wsUrl, WebSocket, auth: () => Promise.resolve(token) })
    const room = client.room('all')
    const stock = new WebsocketProvider(`${server.wsUrl}/yjs`, 'all', new Y.Doc(), {
      WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
      disableBc: true,
      params: { token },
    })
    await room.synced()
    await until(() => stock.synced, 'the y-websocket client')
    a.type('a')
    await until(() => b.content === 'a', 'the edit of a')
    b.type('b')
    await until(() => room.doc.getText('text').toJSON() === 'ab', 'the edit of b')
    room.doc.getText('text').insert(2, 'c')
    await until(() => stock.doc.getText('text').toJSON() === 'abc', "the SDK's edit")
    stock.doc.getText('text').insert(3, 'd')
    await until(() => [a, b].every(({ content }) => content === 'abcd'), 'the y-websocket edit')
    await Promise.all([a.saved(), b.saved()])
    expect(await stored('all')).toContain('ab')
    client.close()
    stock.destroy()
    stock.awareness.destroy()
  })

  test('P64: `synced` means that the content is there', async () => {
    const writer = await provide('synced').synced()
    writer.type('x'.repeat(300_000))
    await writer.saved()
    for (let i = 0; i < 3; i++) expect((await provide('synced').synced()).content.length).toBe(300_000)
  })

  test('P61: two documents on one socket; closing one leaves the other', async () => {
    const socket = openSocket()
    const [one, two] = [
      await provide('doc one', { socket }).synced(),
      await provide('doc two', { socket }).synced(),
    ]
    one.type('1')
    two.type('2')
    await Promise.all([one.saved(), two.saved()])
    expect([await stored('doc one'), await stored('doc two')]).toEqual(['1', '2'])
    one.provider.detach()
    await until(async () => (await server.metric('weft_members')) === 1, 'its member gone')
    two.type('2')
    await two.saved()
    // And back again, on the same socket.
    one.type('1')
    one.provider.attach()
    await one.saved()
    expect(await stored('doc one')).toBe('11')
    expect(await server.metric('weft_connections', 'hocuspocus')).toBe(1)
  })

  test('P62: two session-aware providers of one document on one socket', async () => {
    const socket = openSocket()
    const options = { socket, sessionAwareness: true }
    const [a, b] = [await provide('sessions', options).synced(), await provide('sessions', options).synced()]
    const plain = await provide('sessions', { socket }).synced()
    a.type('a')
    await until(() => b.content === 'a' && plain.content === 'a', 'the edit of a')
    b.type('b')
    plain.type('p')
    await until(() => [a, b, plain].every(({ content }) => content.length === 3), 'all edits')
    await Promise.all([a, b, plain].map((provided) => provided.saved()))
    a.provider.awareness?.setLocalStateField('name', 'a')
    await until(() => b.stateOf(a) !== undefined && plain.stateOf(a) !== undefined, 'the presence of a')
    a.provider.destroy()
    await until(() => b.stateOf(a) === undefined && plain.stateOf(a) === undefined, 'a gone')
    b.type('!')
    await until(() => plain.content.endsWith('!') || plain.content.includes('!'), 'b lives on')
  })

  test('P61: a large document that is fetched on a socket leaves the live ones on it whole', async () => {
    const writer = await provide('large').synced()
    writer.type('y'.repeat(1_500_000))
    await writer.saved()
    const typist = await provide('beside').synced()
    const socket = openSocket()
    const reader = await provide('beside', { socket }).synced()
    const large = provide('large', { socket })
    for (let i = 0; i < 50; i++) {
      typist.type('z')
      await new Promise((resolve) => setImmediate(resolve))
    }
    await large.synced()
    expect(large.content.length).toBe(1_500_000)
    await until(() => reader.content.length === 50, 'the live document')
    expect(large.closes).toEqual([])
  })

  test('P61: a document that is closed while its state is on the way leaves the socket whole', async () => {
    const writer = await provide('left').synced()
    writer.type('y'.repeat(6_000_000))
    await writer.saved()
    const typist = await provide('stays').synced()
    const socket = openSocket()
    const reader = await provide('stays', { socket }).synced()
    const ws = socket.webSocket as unknown as WebSocket
    ws.pause()
    const left = provide('left', { socket })
    await until(async () => (await server.metric('weft_members')) === 4, 'its member')
    left.provider.detach()
    await until(async () => (await server.metric('weft_members')) === 3, 'its member gone')
    typist.type('z')
    await typist.saved()
    ws.resume()
    await until(() => reader.content === 'z', 'the other document')
    expect(socket.webSocket).toBe(ws)
  })
})

describe('SyncStatus', () => {
  test('P67: under a grant to read, changes are refused and nothing is lost when it becomes one to write', async () => {
    const writer = await provide('read only').synced()
    writer.type('w')
    await writer.saved()
    const reader = await provide('read only', {
      token: await makeToken({ 'read only': 'read' }, { user: 'rea' }),
    }).synced()
    expect(reader.scopes).toEqual(['readonly'])
    await reader.saved()
    expect(reader.content).toBe('w')
    reader.type('r')
    await until(async () => (await server.metric('weft_errors_total', 'forbidden')) > 0, 'the refusal')
    writer.type('w')
    await until(() => reader.content.includes('ww') || reader.content.includes('wrw'), 'the live edit')
    expect(writer.content).toBe('ww')
    expect(reader.unsynced).toBe(1)
    await server.server.control.grant('rea', 'read only', 'write')
    await reader.saved()
    expect(reader.scopes).toEqual(['readonly', 'read-write'])
    await until(() => writer.content === reader.content, 'what was refused')
  })
})

describe('presence and stateless messages', () => {
  test('P69: awareness goes both ways, and a provider that leaves is gone at once', async () => {
    const [a, b] = [await provide('aware').synced(), await provide('aware').synced()]
    a.provider.setAwarenessField('user', { name: 'ada' })
    await until(() => b.stateOf(a) !== undefined, 'a at b')
    expect(b.stateOf(a)).toEqual({ user: { name: 'ada' } })
    const late = await provide('aware').synced()
    await until(() => late.stateOf(a) !== undefined, 'a at the newcomer')
    const before = performance.now()
    a.provider.destroy()
    await until(() => b.stateOf(a) === undefined, 'a gone')
    expect(performance.now() - before).toBeLessThan(2_000)
  })

  test('P69: a socket that closes without a word clears its presence', async () => {
    const [a, b] = [await provide('silent').synced(), await provide('silent').synced()]
    a.provider.setAwarenessField('name', 'a')
    await until(() => b.stateOf(a) !== undefined, 'a')
    ;(a.socket.webSocket as unknown as WebSocket).terminate()
    a.socket.shouldConnect = false
    await until(() => b.stateOf(a) === undefined, 'a gone')
  })

  test('P70: stateless messages are ephemeral broadcasts named "stateless"', async () => {
    const [a, b] = [await provide('stateless').synced(), await provide('stateless').synced()]
    const bot = await WeftBot.open(server.wsUrl, { token })
    const room = await bot.join('stateless')
    a.provider.sendStateless('{"hello":"✓"}')
    await until(() => b.stateless.length === 1, 'the message at b')
    expect(b.stateless).toEqual(['{"hello":"✓"}'])
    const heard = await bot.next('broadcasted')
    expect(heard).toMatchObject({ author: 'ada', name: 'stateless' })
    expect(decodeValue(heard.payload)).toBe('{"hello":"✓"}')
    bot.send({ type: 'broadcast', room: room.number, name: 'other', payload: encodeValue('x') })
    bot.send({
      type: 'broadcast',
      room: room.number,
      name: 'stateless',
      payload: encodeValue({ no: 'text' }),
    })
    bot.send({
      type: 'broadcast',
      room: room.number,
      name: 'stateless',
      payload: encodeValue('from the bot'),
    })
    await until(() => a.stateless.length === 1 && b.stateless.length === 2, "the bot's message")
    expect(a.stateless).toEqual(['from the bot'])
    await bot.close()
  })
})

describe('the end of things', () => {
  test('P71: a room that is deleted ends its document with a close message, and no other', async () => {
    const socket = openSocket()
    const [gone, stays] = [
      await provide('gone', { socket }).synced(),
      await provide('not gone', { socket }).synced(),
    ]
    gone.type('x')
    await gone.saved()
    await server.server.control.deleteRoom('gone')
    await until(() => gone.closes.length === 1, 'the close')
    expect(gone.closes).toEqual(['the room has been deleted'])
    gone.type('ignored')
    stays.type('y')
    await stays.saved()
    expect(stays.closes).toEqual([])
  })

  test('P71: a room that is closed is come back to', async () => {
    const provided = await provide('closed').synced()
    provided.type('x')
    await provided.saved()
    server.server.control.closeRoom('closed')
    await until(() => !provided.provider.isSynced, 'the close')
    provided.type('y')
    await provided.synced()
    await provided.saved()
    expect(await stored('closed')).toBe('xy')
  })

  test('P71: a user who is disconnected for good stays away, one to be verified again comes back', async () => {
    const asked: number[] = []
    const provided = await provide('user', {
      token: async () => {
        asked.push(1)
        return await makeToken({ '*': 'write' }, { user: 'eve' })
      },
    }).synced()
    await server.server.control.disconnectUser('eve', false)
    await until(() => asked.length === 2, 'the next token')
    await provided.synced()
    await server.server.control.disconnectUser('eve', true)
    await until(() => provided.denials.length === 1, 'the denial')
    expect(provided.closes.at(-1)).toBe('disconnected by an administrator')
    await server.server.control.grant('eve', 'user', null)
    expect(asked.length).toBe(2)
  })

  test('P72: an update that is invalid ends its document and no other', async () => {
    const socket = openSocket()
    const [bad, good] = [
      await provide('bad', { socket }).synced(),
      await provide('good', { socket }).synced(),
    ]
    bad.provider.documentUpdateHandler(new Uint8Array([1, 1, 1, 0, 132]), 'a test')
    await until(() => bad.closes.length === 1, 'the close')
    bad.provider.sendStateless('unheard')
    good.type('x')
    await good.saved()
    expect(good.closes).toEqual([])
  })
})
