import { CloseCode } from '@weft/protocol'
import { describe, expect, test } from 'vitest'
import { createClient } from './client.js'
import { harness, settle } from './testing/harness.js'
import { endpoint } from './websocket.js'
import type { ConnectionInfo } from './types.js'

describe('the client', () => {
  test('asks for a token on each connection, and says HELLO with the same client id (P6, P8)', async () => {
    const { server, client, pass } = harness()
    let calls = 0
    const weft = client({ auth: () => Promise.resolve(`token ${++calls}`) })
    await settle()
    server.crash()
    await pass(1_000)
    expect(weft.status).toBe('connected')
    const hellos = server.sockets.flatMap((socket) => socket.sent('hello'))
    expect(hellos.map((hello) => hello.token)).toEqual(['token 1', 'token 2'])
    expect(hellos[0]!.clientId).toEqual(hellos[1]!.clientId)
    expect(server.socket.url).toBe('ws://fake/v1/connect')
  })

  test('an auth() that fails is tried again, one that never ends too', async () => {
    const { client, pass } = harness()
    const answers = [
      () => Promise.reject(new Error('no network')),
      () => new Promise<string>(() => undefined),
      () => {
        throw new Error('thrown at once')
      },
    ]
    const weft = client({ auth: () => answers.shift()?.() ?? 'token' })
    await settle()
    expect(weft.connection).toMatchObject({ status: 'reconnecting', reason: { code: 'auth_failed' } })
    await pass(20_000)
    expect(answers).toHaveLength(0)
    expect(weft.status).toBe('connected')
  })

  test('an expired token is renewed (4407), a forged one is the end until connect() (4401)', async () => {
    const { server, client, pass } = harness()
    const weft = client({ auth: () => 'token' })
    const room = weft.room('a')
    await room.synced()
    server.socket.drop(CloseCode.tokenExpired)
    await pass(1_000)
    expect(room.status).toBe('live')
    room.doc.getText('t').insert(0, 'x')
    const saving = room.saved()
    server.socket.drop(CloseCode.unauthorized, 'forged')
    expect(weft.connection).toMatchObject({
      status: 'denied',
      reason: { code: 'unauthorized', message: 'forged' },
    })
    await expect(saving).rejects.toMatchObject({ code: 'unauthorized' })
    await pass(60_000)
    expect(weft.status).toBe('denied')
    weft.connect()
    await settle()
    expect(room.status).toBe('live')
    await room.saved()
  })

  test('a socket that never opens, and one that is never welcome, are given up', async () => {
    const { server, client, pass } = harness()
    server.autoAccept = false
    const weft = client()
    await pass(10_100)
    expect(weft.connection).toMatchObject({ status: 'reconnecting', reason: { code: 'connect_timeout' } })
    server.autoAccept = true
    server.autoWelcome = false
    await pass(11_000)
    expect(server.sockets[1]!.closedByClient).toMatchObject({ code: CloseCode.timeout })
    server.autoWelcome = true
    await pass(10_000)
    expect(weft.status).toBe('connected')
  })

  test('a silent server is left after two heartbeats; a living one is pinged (P10)', async () => {
    const { server, client, pass } = harness()
    const weft = client()
    await settle()
    expect(weft.latency).toBe(0)
    await pass(60_000)
    expect(server.sockets).toHaveLength(1)
    expect(server.socket.sent('ping').length).toBeGreaterThanOrEqual(6)
    server.take = () => undefined
    await pass(21_000)
    expect(server.sockets[0]!.closedByClient).toMatchObject({ code: CloseCode.timeout })
  })

  test('answers a ping, ignores what it does not know (P4, P10)', async () => {
    const { server, client } = harness()
    const weft = client()
    await settle()
    server.socket.deliver({ type: 'ping', id: 7 })
    server.socket.onmessage?.({ data: Uint8Array.of(0x92, 60, 1).buffer } as never)
    await settle()
    expect(server.socket.sent('pong')).toEqual([{ type: 'pong', id: 7 }])
    expect(weft.status).toBe('connected')
  })

  test('bytes that are no frame are reported, and the connection is made anew (P3)', async () => {
    const { server, client, pass } = harness()
    const weft = client()
    const codes: string[] = []
    weft.on('error', (error) => codes.push(error.code))
    await settle()
    server.socket.onmessage?.({ data: Uint8Array.of(0xc1).buffer } as never)
    expect(codes).toEqual(['invalid_frame'])
    expect(weft.status).toBe('reconnecting')
    await pass(1_000)
    expect(weft.status).toBe('connected')
  })

  test('disconnect() stays so; rooms join again in order after connect()', async () => {
    const { server, client, pass } = harness()
    const weft = client()
    const rooms = ['c', 'a', 'b'].map((name) => weft.room(name))
    await Promise.all(rooms.map((room) => room.synced()))
    weft.disconnect()
    rooms[0]!.doc.getText('t').insert(0, 'offline')
    await pass(60_000)
    expect(weft.status).toBe('idle')
    expect(weft.unsaved).toBe(1)
    weft.connect()
    await rooms[0]!.saved()
    expect(server.socket.sent('join').map((join) => join.room)).toEqual(['c', 'a', 'b'])
  })

  test('close() ends everything: no timer runs, waiters are told, nothing works after it', async () => {
    const { server, client, clock } = harness()
    server.autoCommit = false
    const weft = client()
    const room = weft.room('a')
    await room.synced()
    room.doc.getText('t').insert(0, 'x')
    const saving = room.saved()
    weft.close()
    await expect(saving).rejects.toMatchObject({ code: 'client_closed' })
    expect(room.unsaved).toBe(1)
    expect(room.status).toBe('left')
    expect(server.socket.gone).toBe(true)
    expect(clock.running).toBe(0)
    expect(() => weft.room('b')).toThrow('closed')
    weft.connect()
    expect(weft.status).toBe('closed')
  })

  test('a listener that throws or rejects hurts nobody', async () => {
    const { client, reports } = harness()
    const weft = client()
    const seen: ConnectionInfo['status'][] = []
    weft.on('status', () => {
      throw new Error('mine')
    })
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- what people do, and must not hurt
    weft.on('status', () => Promise.reject(new Error('mine too')))
    weft.on('status', (info) => seen.push(info.status))
    await settle()
    expect(seen.at(-1)).toBe('connected')
    expect(reports.messages.length).toBeGreaterThan(1)
  })

  test('a full socket holds changes back until it has drained', async () => {
    const { server, client, pass } = harness()
    const room = client().room('a')
    await room.synced()
    server.socket.bufferedAmount = 2 ** 21
    room.doc.getText('t').insert(0, 'x')
    await pass(100)
    expect(server.socket.sent('update')).toHaveLength(0)
    server.socket.bufferedAmount = 0
    await pass(100)
    expect(room.unsaved).toBe(0)
  })

  test('a wrong URL and a wrong room name are refused at once', () => {
    const { client } = harness()
    expect(() => createClient({ url: 'not a url' })).toThrow(expect.objectContaining({ code: 'invalid_url' }))
    expect(() => createClient({ url: 'ftp://host' })).toThrow(
      expect.objectContaining({ code: 'invalid_url' }),
    )
    expect(() => client().room('')).toThrow(expect.objectContaining({ code: 'invalid_room_name' }))
  })

  test.each([
    ['ws://host', 'ws://host/v1/connect'],
    ['http://host:4400/', 'ws://host:4400/v1/connect'],
    ['https://host/weft?x=1#y', 'wss://host/weft/v1/connect?x=1'],
    ['wss://host/v1/connect', 'wss://host/v1/connect'],
  ])('%s is %s', (url, address) => {
    expect(endpoint(url)).toBe(address)
  })
})
