/* The tokens of unmodified HocuspocusProviders: wrong ones, others' and those that end. */
import type { HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { HocuspocusClient, HocuspocusClients, HocuspocusOptions } from '../testing/hocuspocus-clients.js'
import type { TestServer } from '../testing/start-server.js'
import { inSeconds, makeToken } from '../testing/tokens.js'
import { until } from '../testing/until.js'
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

describe('tokens', () => {
  test('P63: a wrong token, then a right one on the same socket', async () => {
    const socket = openSocket()
    const other = await provide('other', { socket }).synced()
    const wrong = provide('again', { socket, token: await makeToken({}, { secret: 'x'.repeat(32) }) })
    await until(() => wrong.denials.length === 1, 'the denial')
    wrong.type('kept')
    const right = await provide('again', { socket }).synced()
    right.type('x')
    await right.saved()
    expect(await stored('again')).toBe('x')
    expect([other.closes, wrong.closes]).toEqual([[], []])
    expect(await server.metric('weft_connections', 'hocuspocus')).toBe(1)
  })

  test('P63: the same provider sends another token alone', async () => {
    const writer = await provide('token alone').synced()
    writer.type('w')
    const provided = provide('token alone', { token: '' })
    await until(() => provided.denials.length === 1, 'the denial')
    provided.type('kept')
    provided.provider.configuration.token = token
    await provided.provider.sendToken()
    await provided.saved()
    await until(() => provided.content === writer.content && writer.content.length === 5, 'both edits')
  })

  test.each([
    ['no grant for the document', async () => await makeToken({ elsewhere: 'write' }), /grant/],
    ['an expired one', async () => await makeToken({}, { expires: inSeconds(-60) }), /expired/],
    ['none', () => Promise.resolve(''), /token is needed/],
  ])('P63: %s is answered by "permission denied"', async (_name, make, reason) => {
    const provided = provide('denied', { token: await make() })
    await until(() => provided.denials.length === 1, 'the denial')
    expect(provided.denials[0]).toMatch(reason)
    expect(provided.closes).toEqual([])
  })

  test('P63: a token of another user is refused while documents of the first are open', async () => {
    const socket = openSocket()
    const ada = await provide('of ada', { socket }).synced()
    const bob = provide('of bob', { socket, token: await makeToken({ '*': 'write' }, { user: 'bob' }) })
    await until(() => bob.denials.length === 1, 'the denial')
    expect(bob.denials[0]).toMatch(/another user/)
    ada.type('x')
    await ada.saved()
  })

  test.each([
    ['user', { user: 'bob' }],
    ['tenant', { tenant: 'elsewhere' }],
  ])('P63, I7: an open document is not taken over by a token of another %s', async (_name, of) => {
    const room = `not taken over by another ${Object.keys(of).join()}`
    const reader = await provide(room, { token: await makeToken({ '*': 'read' }) }).synced()
    reader.provider.configuration.token = await makeToken({ '*': 'write' }, of)
    await reader.provider.sendToken()
    await until(() => reader.denials.length === 1, 'the denial')
    expect(reader.denials[0]).toMatch(/another user/)
    reader.type('x')
    const witness = await provide(room).synced()
    witness.type('y')
    await witness.saved()
    expect(await stored(room)).toBe('y')
  })

  test('P68: the provider is asked for a new token before the old one ends', async () => {
    let asked = 0
    const provided = await provide('renewed', {
      token: async () => await makeToken({ '*': 'write' }, { expires: inSeconds(asked++ === 0 ? 4 : 3600) }),
    }).synced()
    await until(() => asked === 2, 'the second token')
    provided.type('x')
    await provided.saved()
    expect(provided.closes).toEqual([])
  })

  test('P68: a token that ends takes its document along, and no other', async () => {
    const socket = openSocket()
    const stays = await provide('stays', { socket }).synced()
    const ends = await provide('ends', {
      socket,
      token: await makeToken({ '*': 'write' }, { expires: inSeconds(2) }),
    }).synced()
    await until(() => ends.closes.length === 1, 'the close')
    expect(ends.denials).toEqual(['the token has expired'])
    expect(ends.closes).toEqual(['the token has expired'])
    ends.type('later')
    stays.type('x')
    await stays.saved()
    ends.provider.configuration.token = token
    await ends.provider.sendToken()
    await ends.saved()
    expect(await stored('ends')).toBe('later')
  })
})
