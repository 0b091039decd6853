import { WeftError, createClient, type Client, type ClientOptions, type Room } from '@weft/client'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createServer, type WeftServer } from '../index.js'
import { freePort, makeDataDir, type TempDir } from '../testing/index.js'

/* The SDK as an application uses it, against a real server on the embedded store. */

let dir: TempDir
let server: WeftServer
const clients: Client[] = []

const start = (dataDir: string, port = 0): Promise<WeftServer> =>
  createServer({ port, host: '127.0.0.1', dataDir, logger: pino({ level: 'silent' }) })

const client = (options: Partial<ClientOptions> = {}): Client => {
  const made = createClient({ url: server.url, timing: { retryBase: 100 }, ...options })
  clients.push(made)
  return made
}

const textOf = (room: Room): string => room.doc.getText('t').toJSON()

/** Resolves as soon as the condition holds; looks whenever the document changes. */
const until = (room: Room, condition: () => boolean): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (!condition()) return
      room.doc.off('update', look)
      room.awareness.off('change', look)
      resolve()
    }
    room.doc.on('update', look)
    room.awareness.on('change', look)
    look()
  })

beforeAll(async () => {
  dir = await makeDataDir()
  server = await start(dir.path)
})

afterEach(() => {
  for (const each of clients.splice(0)) each.close()
})

afterAll(async () => {
  await server.close()
  await dir.remove()
})

describe('the SDK against a server', () => {
  test('two clients write at once, converge, and are saved (P22, P24)', async () => {
    const [a, b] = [client().room('at once'), client().room('at once')]
    await Promise.all([a.synced(), b.synced()])
    for (let i = 0; i < 50; i++) {
      a.doc.getText('t').insert(0, 'a')
      b.doc.getText('t').insert(0, 'b')
      await Promise.resolve()
    }
    await Promise.all([a.saved(), b.saved()])
    await Promise.all([until(a, () => textOf(a).length === 100), until(b, () => textOf(b).length === 100)])
    expect(textOf(a)).toBe(textOf(b))
    expect([a.unsaved, b.unsaved]).toEqual([0, 0])
    const fresh = client().room('at once')
    await fresh.synced()
    expect(textOf(fresh)).toBe(textOf(a))
  })

  test('edits of both sides while one is away meet after its return (P16, P21)', async () => {
    const away = client()
    const [a, b] = [away.room('away'), client().room('away')]
    await Promise.all([a.synced(), b.synced()])
    away.disconnect()
    for (let i = 0; i < 20; i++) a.doc.getText('t').insert(0, 'a')
    b.doc.getText('t').insert(0, 'b')
    await b.saved()
    expect(a.unsaved).toBe(20)
    away.connect()
    await a.saved()
    await Promise.all([until(a, () => textOf(a).length === 21), until(b, () => textOf(b).length === 21)])
    expect(textOf(a)).toBe(textOf(b))
  })

  test('a restart of the server: rooms come back by themselves, what was written meanwhile is saved (I1)', async () => {
    const own = await makeDataDir()
    const first = await start(own.path, await freePort())
    // Not port 0: uWS then sets no SO_REUSEADDR, and the connections before the restart keep the next server from it.
    const { url, port } = first
    const weft = client({ url })
    const rooms = ['a', 'b', 'c'].map((name) => weft.room(name))
    await Promise.all(rooms.map((room) => room.synced()))
    for (const room of rooms) room.doc.getText('t').insert(0, 'before ')
    await first.close()
    for (const room of rooms) room.doc.getText('t').insert(7, 'after')
    const second = await start(own.path, port)
    await Promise.all(rooms.map((room) => room.saved()))
    const other = client({ url })
    for (const { name } of rooms) {
      const fresh = other.room(name)
      await fresh.synced()
      expect(textOf(fresh)).toBe('before after')
    }
    await second.close()
    await own.remove()
  })

  test('presence is seen by others, and gone with its connection (P30, P32)', async () => {
    const leaving = client()
    const [a, b] = [client().room<{ x: number }>('presence'), leaving.room<{ x: number }>('presence')]
    await Promise.all([a.synced(), b.synced()])
    b.presence.set({ x: 1 })
    await until(a, () => a.presence.others[0]?.presence.x === 1)
    leaving.disconnect()
    await until(a, () => a.presence.others.length === 0)
    leaving.connect()
    await until(a, () => a.presence.others[0]?.presence.x === 1)
    b.leave()
    await until(a, () => a.presence.others.length === 0)
  })

  test('rooms with any name; leaving and entering again (P12, P13, P15)', async () => {
    const weft = client()
    for (const name of ['a/b c', '%2F?#', 'ありがとう', 'x'.repeat(512)]) {
      const room = weft.room(name)
      await room.synced()
      room.doc.getText('t').insert(0, name)
      room.leave()
      const again = weft.room(name)
      await again.saved()
      await again.synced()
      expect(textOf(again)).toBe(name)
      again.leave()
    }
    expect(() => weft.room('x'.repeat(513))).toThrow(WeftError)
  })

  test('a document brought along is merged into the room (P19)', async () => {
    const first = client().room('brought')
    await first.synced()
    first.doc.getText('t').insert(0, 'room')
    await first.saved()
    const other = client().room('another')
    await other.synced()
    other.doc.getText('t').insert(0, 'brought ')
    await other.saved()
    const merged = client().room('brought', { doc: other.doc })
    await merged.synced()
    await merged.saved()
    await until(first, () => textOf(first).length === 12)
    expect(textOf(first)).toBe(textOf(merged))
  })
})
