import { readAwareness, writeAwareness } from '@weft/protocol'
import { describe, expect, test } from 'vitest'
import { harness, settle } from './testing/harness.js'
import type { FakeSocket } from './testing/fake-socket.js'

interface Shown {
  readonly x: number
}

const shown = (socket: FakeSocket): (string | null)[] =>
  socket.sent('presence').map((frame) => {
    const entries = readAwareness(frame.awareness, 100, 10_000)
    // One's own id and nothing else, always (P30, P31).
    expect(entries).toHaveLength(1)
    return entries[0]!.state
  })

describe('presence', () => {
  test('is sent on joining, then at once and at most every interval, the latest last', async () => {
    const { server, client, pass, clock } = harness()
    const room = client().room<Shown>('a')
    room.presence.set({ x: 0 })
    await room.synced()
    await pass(100)
    for (let x = 1; x <= 5; x++) room.presence.set({ x })
    await settle()
    expect(shown(server.socket)).toEqual(['{"x":0}', '{"x":1}'])
    clock.advance(33)
    await settle()
    expect(shown(server.socket)).toEqual(['{"x":0}', '{"x":1}', '{"x":5}'])
    expect(room.presence.get()).toEqual({ x: 5 })
  })

  test('two see each other, leave, and are never echoed (P30, P32)', async () => {
    const { server, client, pass } = harness()
    const [one, two] = [client(), client()]
    const a = one.room<Shown>('a')
    const b = two.room<Shown>('a')
    await Promise.all([a.synced(), b.synced()])
    a.presence.set({ x: 1 })
    b.presence.set({ x: 2 })
    await pass(100)
    expect(a.presence.others).toEqual([
      { clientId: b.doc.clientID, user: null, idle: false, presence: { x: 2 } },
    ])
    expect(b.presence.others).toEqual([
      { clientId: a.doc.clientID, user: null, idle: false, presence: { x: 1 } },
    ])
    expect(a.presence.others).toBe(a.presence.others)
    let told = 0
    a.on('presence', () => told++)
    b.leave()
    await settle()
    expect(a.presence.others).toEqual([])
    expect(told).toBe(1)
    for (const socket of server.sockets) shown(socket)
  })

  test('after a reconnect it is shown again under a newer clock; unchanged others are seen again (P31, P33)', async () => {
    const { server, client, pass } = harness()
    const a = client().room<Shown>('a')
    await a.synced()
    a.presence.set({ x: 1 })
    const awareness = (clock: number): Uint8Array =>
      Uint8Array.from([1, 9, clock, 7, ...new TextEncoder().encode('{"x":9}')])
    const hear = async (): Promise<void> => {
      server.socket.deliver({ type: 'presences', room: 1, awareness: awareness(4) })
      await settle()
    }
    await hear()
    expect(a.presence.others).toHaveLength(1)
    const before = readAwareness(server.socket.sent('presence').at(-1)!.awareness, 1, 100)[0]!
    server.crash()
    expect(a.presence.others).toHaveLength(0)
    await pass(2_000)
    const after = readAwareness(server.socket.sent('presence')[0]!.awareness, 1, 100)[0]!
    expect(after.clientId).toBe(before.clientId)
    expect(after.clock).toBeGreaterThan(before.clock)
    expect(after.state).toBe('{"x":1}')
    await hear()
    expect(a.presence.others).toHaveLength(1)
  })

  test('an echo under a raised clock does not overwrite what is shown (P33)', async () => {
    const { server, client, pass } = harness()
    const a = client().room<Shown>('a')
    await a.synced()
    a.presence.set({ x: 1 })
    await pass(100)
    const echo = server.socket.sent('presence').at(-1)!.awareness.slice()
    const [entry] = readAwareness(echo, 1, 100)
    // The clock is the byte after the varuint of the id.
    const clockAt = echo.findIndex((byte, i) => i > 0 && byte < 128) + 1
    expect(echo[clockAt]).toBe(entry!.clock)
    echo[clockAt] = entry!.clock + 5
    a.presence.set({ x: 2 })
    server.socket.deliver({ type: 'presences', room: 1, awareness: echo })
    await pass(100)
    expect(a.presence.get()).toEqual({ x: 2 })
    a.presence.set({ x: 3 })
    await pass(100)
    expect(readAwareness(server.socket.sent('presence').at(-1)!.awareness, 1, 100)[0]!.clock).toBeGreaterThan(
      entry!.clock + 5,
    )
  })

  test('one that is too large is reported and not sent', async () => {
    const { server, client, pass } = harness()
    server.limits = { ...server.limits, presenceBytes: 50 }
    const room = client().room<{ text: string }>('a')
    await room.synced()
    const codes: string[] = []
    room.on('error', (error) => codes.push(error.code))
    room.presence.set({ text: 'x'.repeat(100) })
    await pass(100)
    expect(codes).toEqual(['too_large'])
  })

  test('P58: USERS says whose presence it is', async () => {
    const { server, client } = harness()
    const a = client().room<Shown>('a')
    await a.synced()
    server.socket.deliver({ type: 'users', room: 1, users: [{ id: 9, user: 'ada' }] })
    const awareness = writeAwareness([{ clientId: 9, clock: 1, state: '{"x":9}' }])
    server.socket.deliver({ type: 'presences', room: 1, awareness })
    await settle()
    expect(a.presence.others).toEqual([{ clientId: 9, user: 'ada', idle: false, presence: { x: 9 } }])
  })
})
