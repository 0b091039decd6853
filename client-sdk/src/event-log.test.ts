import { encodeValue } from '@weft/protocol'
import { describe, expect, test } from 'vitest'
import type { EventLog } from './event-log.js'
import type { DurableEvent } from './event-types.js'
import { harness, settle } from './testing/harness.js'

interface Events {
  note: { text: string }
  tick: number
}

describe('durable events', () => {
  test('append resolves with the seq after the commit, and everybody hears it once, the author too (P28)', async () => {
    const { server, client } = harness()
    server.autoCommit = false
    const [a, b] = [client(), client()].map((one) => one.room<object, Events>('a'))
    await Promise.all([a!.synced(), b!.synced()])
    const heard: unknown[] = []
    a!.events.on('note', ({ seq, payload, own }) => heard.push(['a', seq, payload.text, own]))
    b!.events.on('note', ({ seq, payload, own }) => heard.push(['b', seq, payload.text, own]))
    let appended = false
    const appending = a!.events.append('note', { text: 'hi' }).then((result) => {
      appended = true
      return result
    })
    expect(a!.unsaved).toBe(1)
    await settle()
    expect(appended).toBe(false)
    server.commit('a')
    expect(await appending).toEqual({ seq: 1 })
    await a!.saved()
    expect(heard.sort()).toEqual([
      ['a', 1, 'hi', true],
      ['b', 1, 'hi', false],
    ])
  })

  test('edits and events of one client keep their order and share their numbers (P21)', async () => {
    const { server, client } = harness()
    server.autoAccept = false
    const room = client().room<object, Events>('a')
    room.doc.getText('t').insert(0, 'a')
    const first = room.events.append('tick', 1)
    room.doc.getText('t').insert(1, 'b')
    room.doc.getText('t').insert(2, 'c')
    const second = room.events.append('tick', 2)
    await settle()
    server.socket.accept()
    expect([await first, await second]).toEqual([{ seq: 2 }, { seq: 4 }])
    expect(
      server.socket.received.flatMap((frame) =>
        frame.type === 'update' || frame.type === 'append' ? [[frame.type, frame.n]] : [],
      ),
    ).toEqual([
      ['update', 1],
      ['append', 2],
      ['update', 3],
      ['append', 4],
    ])
  })

  test('a commit whose ACK was lost: sent again under its number, in the log once (P27)', async () => {
    const { server, client, pass } = harness()
    server.autoCommit = false
    server.silent = true
    const room = client().room<object, Events>('a')
    await room.synced()
    const appending = room.events.append('tick', 1)
    await settle()
    const { socket } = server
    socket.gone = true
    server.commit('a')
    socket.gone = false
    server.crash()
    server.silent = false
    await pass(2_000)
    expect(await appending).toEqual({ seq: 1 })
    expect(room.unsaved).toBe(0)
    expect(server.room('a').log).toHaveLength(1)
  })

  test('what was missed comes on resuming, in order and once', async () => {
    const { server, client, pass } = harness()
    const author = client().room<object, Events>('a')
    const reader = client().room<object, Events>('a')
    await Promise.all([author.synced(), reader.synced()])
    const heard: number[] = []
    reader.events.onAny(({ seq }) => heard.push(seq))
    await author.events.append('tick', 1)
    server.socket.drop()
    for (let i = 2; i < 5; i++) await author.events.append('tick', i)
    await pass(2_000)
    await author.events.append('tick', 5)
    await settle()
    expect(heard).toEqual([1, 2, 3, 4, 5])
  })

  test('a server that cannot resume: what was missed is read from the log, before what comes live', async () => {
    const { server, client, pass } = harness()
    const author = client().room<object, Events>('a')
    const reader = client().room<object, Events>('a')
    await Promise.all([author.synced(), reader.synced()])
    const heard: number[] = []
    reader.events.on('tick', ({ payload }) => heard.push(payload))
    await author.events.append('tick', 1)
    await settle()
    server.resumes = false
    server.socket.drop()
    for (let i = 2; i < 2500; i++) void author.events.append('tick', i)
    await author.saved()
    // The answer to the first page is held until something live has come.
    const original = server.take.bind(server)
    const held: (() => void)[] = []
    server.take = (socket, frame) => {
      if (frame.type === 'history') held.push(() => original(socket, frame))
      else original(socket, frame)
    }
    await pass(2_000)
    expect(held).toHaveLength(1)
    await author.events.append('tick', 2500)
    await settle()
    expect(heard).toEqual([1])
    while (held.length > 0) {
      held.shift()!()
      await settle()
    }
    expect(heard).toEqual(Array.from({ length: 2500 }, (_, i) => i + 1))
  })

  test('what was missed and cannot be read now is asked for again, and nothing is heard out of order meanwhile', async () => {
    const { server, client, pass } = harness()
    const author = client().room<object, Events>('a')
    const reader = client().room<object, Events>('a')
    await Promise.all([author.synced(), reader.synced()])
    const heard: number[] = []
    reader.events.on('tick', ({ payload }) => heard.push(payload))
    server.resumes = false
    server.socket.drop()
    await author.events.append('tick', 1)
    let refusals = 2
    const original = server.take.bind(server)
    server.take = (socket, frame) => {
      if (frame.type !== 'history' || refusals-- <= 0) original(socket, frame)
      else
        socket.deliver({
          type: 'error',
          request: frame.request,
          code: 'load_failed',
          message: '',
          retryAfter: 0,
        })
    }
    await pass(1_000)
    await author.events.append('tick', 2)
    await settle()
    expect(heard).toEqual([])
    await pass(5_000)
    expect(heard).toEqual([1, 2])
  })

  test('a node that lags sends again what was handed on since the last watermark: it is not heard twice (I2, P28)', async () => {
    const { server, client } = harness()
    const room = client().room<object, Events>('a')
    await room.synced()
    const heard: number[] = []
    room.events.on('tick', ({ seq }) => heard.push(seq))
    const tell = (seq: number, n: number): void => {
      const payload = encodeValue(n)
      const clientId = new Uint8Array(16).fill(7)
      const event = { author: null, clientId, n, time: 0, name: 'tick', payload }
      server.socket.deliver({ type: 'event', room: 1, seq, ...event })
    }
    server.socket.deliver({ type: 'watermark', room: 1, seq: 10 })
    tell(11, 1)
    tell(12, 2)
    await settle()
    expect(heard).toEqual([11, 12])
    // It joins again at a node whose head is 11: the seq after the watermark is asked for, and 12 comes once more.
    const log = room.events as unknown as EventLog
    log.down()
    log.joined(10, 11)
    tell(11, 1)
    tell(12, 2)
    tell(13, 3)
    await settle()
    expect(heard).toEqual([11, 12, 13])
    // Under a seq that was handed on, another event is one of a restored backup.
    log.down()
    log.joined(10, 11)
    tell(12, 9)
    await settle()
    expect(heard).toEqual([11, 12, 13, 12])
  })

  test('own events are those of this client id and this user: who has seen the id may use it under another name (P27)', async () => {
    const { server, client } = harness()
    server.autoCommit = false
    const room = client().room<object, Events>('a')
    await room.synced()
    let resolved = false
    void room.events.append('tick', 1).then(() => (resolved = true))
    await settle()
    const { clientId } = server.socket
    const event = { author: 'mallory', clientId, n: 1, time: 0, name: 'tick', payload: encodeValue(1) }
    server.socket.deliver({ type: 'event', room: 1, seq: 1, ...event })
    await settle()
    expect(resolved).toBe(false)
  })

  test('one ACK for several: each append gets its own seq (P22)', async () => {
    const { server, client } = harness()
    server.autoCommit = false
    server.cumulative = true
    server.silent = true
    const room = client().room<object, Events>('a')
    await room.synced()
    const appends = [1, 2, 3].map((i) => room.events.append('tick', i))
    await settle()
    server.commit('a')
    expect(await Promise.all(appends)).toEqual([{ seq: 1 }, { seq: 2 }, { seq: 3 }])
  })

  test('history pages through the log in both directions', async () => {
    const { client } = harness()
    const room = client().room<object, Events>('a')
    await room.synced()
    for (let i = 1; i <= 10; i++) await room.events.append('tick', i)
    const payloads = (events: readonly DurableEvent[]): unknown[] => events.map((event) => event.payload)
    const newest = await room.events.history({ limit: 4 })
    expect([payloads(newest.events), newest.more]).toEqual([[7, 8, 9, 10], true])
    const older = await room.events.history({ before: newest.events[0]!.seq, limit: 6 })
    expect([payloads(older.events), older.more]).toEqual([[1, 2, 3, 4, 5, 6], false])
    const after = await room.events.history({ after: 5, limit: 3 })
    expect([payloads(after.events), after.more]).toEqual([[6, 7, 8], true])
  })

  test('history without a connection, and a question whose answer never comes, are told so', async () => {
    const { server, client } = harness()
    const room = client().room('a')
    await expect(room.events.history()).rejects.toMatchObject({ code: 'connection_lost' })
    await room.synced()
    const original = server.take.bind(server)
    server.take = (socket, frame) => {
      if (frame.type !== 'history') original(socket, frame)
    }
    const asked = room.events.history()
    await settle()
    server.crash()
    await expect(asked).rejects.toMatchObject({ code: 'connection_lost' })
  })

  test('what MessagePack cannot say is told at once, and costs nothing else', async () => {
    const { server, client } = harness()
    const room = client().room<object>('a')
    await room.synced()
    for (const payload of [() => 1, new Date(), 10n, Symbol('x')])
      await expect(room.events.append('bad', payload)).rejects.toMatchObject({ code: 'invalid_payload' })
    for (const name of ['', 'x'.repeat(129), '\ud800'])
      await expect(room.events.append(name, 1)).rejects.toMatchObject({ code: 'invalid_payload' })
    await expect(room.events.append('large', 'x'.repeat(70_000))).rejects.toMatchObject({ code: 'too_large' })
    expect(room.unsaved).toBe(0)
    await expect(room.events.append('__proto__', { constructor: 1 })).resolves.toEqual({ seq: 1 })
    expect(server.room('a').log).toHaveLength(1)
  })

  test('what leave() gives up is told', async () => {
    const { server, client } = harness()
    server.autoCommit = false
    const one = client()
    const room = one.room<object, Events>('a')
    await room.synced()
    const appending = room.events.append('tick', 1)
    one.close()
    await expect(appending).rejects.toMatchObject({ code: 'client_closed' })
    await expect(room.events.append('tick', 2)).rejects.toMatchObject({ code: 'room_left' })
  })
})

describe('broadcasts', () => {
  test('reach the others and not the sender, and are dropped when there is no connection (P35)', async () => {
    const { server, client } = harness()
    const [a, b] = [client(), client()].map((one) =>
      one.room<object, Events, { pointer: { x: number } }>('a'),
    )
    expect(a!.broadcast('pointer', { x: 0 })).toBe(false)
    await Promise.all([a!.synced(), b!.synced()])
    const heard: unknown[] = []
    a!.onBroadcast('pointer', ({ payload }) => heard.push(['a', payload.x]))
    b!.onBroadcast('pointer', ({ payload }) => heard.push(['b', payload.x]))
    expect(a!.broadcast('pointer', { x: 1 })).toBe(true)
    await settle()
    expect(heard).toEqual([['b', 1]])
    expect(a!.unsaved).toBe(0)
    server.sockets[0]!.bufferedAmount = 10_000_000
    expect(a!.broadcast('pointer', { x: 2 })).toBe(false)
  })
})

describe('seeding', () => {
  test('ten who try at the same moment: one fills the room, and all have it', async () => {
    const { server, client } = harness()
    server.autoCommit = false
    const rooms = Array.from({ length: 10 }, () => client().room('a'))
    const seeding = rooms.map((room, i) => room.seed((doc) => doc.getText('t').insert(0, `seed ${i}`)))
    await settle()
    expect(rooms.every((room) => room.doc.getText('t').length === 0)).toBe(true)
    server.commit('a')
    const filled = await Promise.all(seeding)
    expect(filled.filter(Boolean)).toHaveLength(1)
    await settle()
    for (const room of rooms) expect(room.doc.getText('t').toJSON()).toBe(`seed ${filled.indexOf(true)}`)
    expect(rooms.map((room) => room.unsaved)).toEqual(rooms.map(() => 0))
    await Promise.all(rooms.map((room) => room.saved()))
    expect(await rooms[0]!.seed((doc) => doc.getText('t').insert(0, 'again'))).toBe(false)
  })

  test('after being offline it comes before the edits made meanwhile, and not if somebody was faster', async () => {
    for (const faster of [false, true]) {
      const { server, client } = harness()
      server.autoAccept = false
      const room = client().room('a')
      const seeding = room.seed((doc) => doc.getText('t').insert(0, 'seed'))
      room.doc.getMap('m').set('k', 'edit')
      await settle()
      if (faster) server.write('a', (doc) => doc.getText('t').insert(0, 'theirs'))
      server.socket.accept()
      expect(await seeding).toBe(!faster)
      await room.saved()
      expect(server.committed('a').getText('t').toJSON()).toBe(faster ? 'theirs' : 'seed')
      expect(server.committed('a').getMap('m').get('k')).toBe('edit')
    }
  })
})
