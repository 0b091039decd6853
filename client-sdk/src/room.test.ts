import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { harness, settle } from './testing/harness.js'
import type { Reset } from './types.js'

const textOf = (doc: Y.Doc): string => doc.getText('t').toJSON()

describe('a room', () => {
  test('syncs, sends, and is saved after the commit only (P16, P22, I1)', async () => {
    const { server, client } = harness()
    server.autoCommit = false
    server.write('a', (doc) => doc.getText('t').insert(0, 'hello'))
    const room = client().room('a')
    await room.synced()
    expect(textOf(room.doc)).toBe('hello')
    expect(room.status).toBe('live')
    room.doc.getText('t').insert(5, '!')
    expect(room.unsaved).toBe(1)
    let saved = false
    const saving = room.saved().then(() => (saved = true))
    await settle()
    expect(server.socket.sent('update')).toHaveLength(1)
    expect(saved).toBe(false)
    server.commit('a')
    await saving
    expect(room.unsaved).toBe(0)
    expect(textOf(server.committed('a'))).toBe('hello!')
  })

  test('a fresh document sends nothing back on joining (P19)', async () => {
    const { server, client } = harness()
    server.write('a', (doc) => doc.getText('t').insert(0, 'hello'))
    const room = client().room('a')
    await room.synced()
    await settle()
    expect(room.unsaved).toBe(0)
    expect(server.socket.sent('update')).toHaveLength(0)
  })

  test('edits of one turn become one change, counted each', async () => {
    const { server, client } = harness()
    server.autoCommit = false
    const room = client().room('a')
    await room.synced()
    for (let i = 0; i < 5; i++) room.doc.getText('t').insert(i, 'x')
    expect(room.unsaved).toBe(5)
    await settle()
    expect(server.socket.sent('update').map((frame) => frame.n)).toEqual([1])
  })

  test('resends with the same numbers and bytes after a reconnect, in order (P21)', async () => {
    const { server, client, pass } = harness()
    server.autoCommit = false
    const room = client().room('a')
    await room.synced()
    for (const letter of 'abc') {
      room.doc.getText('t').insert(0, letter)
      await settle()
    }
    const first = server.socket.sent('update')
    server.commit('a', 1)
    await settle()
    expect(room.unsaved).toBe(2)
    server.crash()
    expect(room.status).toBe('offline')
    room.doc.getText('t').insert(0, 'd')
    await pass(2_000)
    expect(room.status).toBe('live')
    expect(server.socket.sent('join')[0]).toMatchObject({ epoch: 1, after: 1 })
    const second = server.socket.sent('update')
    expect(second.map((frame) => frame.n)).toEqual([2, 3, 4])
    expect(second.slice(0, 2).map((frame) => frame.update)).toEqual(
      first.slice(1).map((frame) => frame.update),
    )
    server.commit('a')
    await room.saved()
    expect(textOf(server.committed('a'))).toBe(textOf(room.doc))
  })

  test('NACK retryable: waits, then sends n and everything after it again (P23)', async () => {
    const { server, client, pass } = harness()
    const room = client().room('a')
    await room.synced()
    let refusals = 2
    server.refuse = (n) => (n === 1 && refusals-- > 0 ? 'overloaded' : null)
    for (const letter of 'abc') {
      room.doc.getText('t').insert(0, letter)
      await settle()
    }
    expect(room.unsaved).toBe(3)
    await pass(3_000)
    expect(room.unsaved).toBe(0)
    expect(textOf(server.committed('a'))).toBe('cba')
  })

  test('what the server lacks is sent once, without what waits in the outbox (P19)', async () => {
    const { server, client } = harness()
    const doc = new Y.Doc()
    doc.getText('t').insert(0, 'brought along')
    doc.getText('t').delete(0, 8)
    const room = client().room('a', { doc })
    await room.synced()
    await room.saved()
    expect(textOf(server.committed('a'))).toBe('along')
    expect(server.socket.sent('update')).toHaveLength(1)
  })

  test('what a dead node relayed and did not commit comes back from those who saw it, when they resume with changes that hang on it (P19)', async () => {
    const { server, client, pass } = harness()
    const author = client()
    const watcher = client()
    const rooms = [author.room('a'), watcher.room('a')]
    await Promise.all(rooms.map((room) => room.synced()))
    rooms[1]!.doc.getText('t').insert(0, 'b')
    await rooms[1]!.saved()
    await pass(3_000)
    server.autoCommit = false
    rooms[0]!.doc.getText('t').insert(0, 'a')
    await settle()
    rooms[1]!.doc.getText('t').insert(1, 'c')
    await settle()
    author.close()
    server.autoCommit = true
    server.crash()
    await pass(3_000)
    expect(rooms[1]!.status).toBe('live')
    expect(rooms[1]!.unsaved).toBe(0)
    expect(textOf(server.committed('a'))).toBe('acb')
  })

  test('and when they resume with nothing unsent: nobody else may have it any more (P19)', async () => {
    const { server, client, pass } = harness()
    const author = client()
    const rooms = [author, client(), client()].map((each) => each.room('a'))
    await Promise.all(rooms.map((room) => room.synced()))
    const [written, first, second] = rooms.map((room) => room.doc.getText('t'))
    first!.insert(0, 'b')
    await rooms[1]!.saved()
    server.autoCommit = false
    written!.insert(0, 'a')
    await settle()
    expect([first, second].map(String)).toEqual(['ab', 'ab'])
    author.close()
    server.autoCommit = true
    server.crash()
    await pass(3_000)
    expect(rooms.slice(1).map(({ status, unsaved }) => [status, unsaved])).toEqual([
      ['live', 0],
      ['live', 0],
    ])
    expect(textOf(server.committed('a'))).toBe('ab')
    // What is typed on it has nothing to wait for.
    second!.insert(1, 'c')
    await rooms[2]!.saved()
    expect(textOf(server.committed('a'))).toBe('acb')
    // Who lacks nothing, and whom the server lacks nothing of, sends nothing.
    const sent = server.sockets.flatMap((socket) => socket.sent('update')).length
    for (const socket of [...server.sockets]) socket.drop()
    await pass(3_000)
    expect(rooms[2]!.status).toBe('live')
    expect(server.sockets.flatMap((socket) => socket.sent('update'))).toHaveLength(sent)
  })

  test('a restored backup gets back what it has lost, deletes included (P16, P19)', async () => {
    const { server, client, pass } = harness()
    const room = client().room('a')
    await room.synced()
    room.doc.getText('t').insert(0, 'abc')
    await room.saved()
    room.doc.getText('t').delete(1, 1)
    await room.saved()
    // The backup has the insert and not the delete.
    server.room('a').log.pop()
    server.crash()
    await pass(2_000)
    expect(room.status).toBe('live')
    expect(room.unsaved).toBe(0)
    expect(textOf(server.committed('a'))).toBe('ac')
    // Deletes alone, and only the missing ones.
    expect(server.socket.sent('update')[0]?.update.length).toBeLessThan(16)
  })

  test('after a restored backup it resumes from what it has had of the new log (P16)', async () => {
    const { server, client, pass } = harness()
    const room = client().room('a')
    await room.synced()
    const write = (letter: string): void => server.write('a', (doc) => doc.getText('t').insert(0, letter))
    for (const letter of 'abc') write(letter)
    await settle()
    server.room('a').log.length = 0
    server.crash()
    await pass(2_000)
    expect(room.status).toBe('live')
    server.crash()
    for (const letter of 'xyz') write(letter)
    await pass(2_000)
    await room.saved()
    expect(textOf(room.doc)).toContain('zyx')
  })

  test('another epoch resets the document and reports what was unsaved (P20)', async () => {
    const { server, client, pass } = harness()
    const room = client().room('a')
    await room.synced()
    room.doc.getText('t').insert(0, 'saved')
    await room.saved()
    const before = room.doc
    server.autoCommit = false
    room.doc.getText('t').insert(0, 'unsaved')
    const saving = room.saved()
    await settle()
    const resets: Reset[] = []
    room.on('reset', (reset) => resets.push(reset))
    server.autoCommit = true
    server.recreate('a')
    await pass(2_000)
    await expect(saving).rejects.toMatchObject({ code: 'room_reset' })
    expect(resets).toHaveLength(1)
    expect(resets[0]?.previous).toBe(before)
    expect(resets[0]?.unsaved).toHaveLength(1)
    expect(room.doc).not.toBe(before)
    expect(room.status).toBe('live')
    expect(textOf(room.doc)).toBe('')
    room.doc.getText('t').insert(0, 'new')
    await room.saved()
    expect(textOf(server.committed('a'))).toBe('new')
  })

  test('an update that cannot be applied is reported and hurts nothing else', async () => {
    const { server, client, reports } = harness()
    const room = client().room('a')
    await room.synced()
    const codes: string[] = []
    room.on('error', (error) => codes.push(error.code))
    server.socket.deliver({ type: 'updates', room: 1, updates: [Uint8Array.of(1, 1, 255, 255)] })
    server.write('a', (doc) => doc.getText('t').insert(0, 'fine'))
    await settle()
    expect(codes).toEqual(['apply_failed'])
    expect(reports.messages).toHaveLength(1)
    expect(textOf(room.doc)).toBe('fine')
  })

  test('a join that may be retried is, one that may not is denied (P13)', async () => {
    const { server, client, pass } = harness()
    const room = client().room('a')
    const original = server.take.bind(server)
    const refusals = ['load_failed', 'forbidden']
    server.take = (socket, frame) => {
      const code = frame.type === 'join' ? refusals.shift() : undefined
      if (code === undefined || frame.type !== 'join') original(socket, frame)
      else socket.deliver({ type: 'error', request: frame.request, code, message: code, retryAfter: 100 })
    }
    const synced = room.synced()
    await settle()
    expect(room.status).toBe('joining')
    await pass(1_000)
    await expect(synced).rejects.toMatchObject({ code: 'forbidden' })
    expect(room.status).toBe('denied')
  })

  test('the same name is the same room, counted; leaving waits for the last ack', async () => {
    const { server, client } = harness()
    server.autoCommit = false
    const weft = client()
    const room = weft.room('a')
    expect(weft.room('a')).toBe(room)
    await room.synced()
    room.leave()
    room.doc.getText('t').insert(0, 'x')
    await settle()
    room.leave()
    await settle()
    expect(room.status).toBe('live')
    expect(server.socket.sent('leave')).toHaveLength(0)
    server.commit('a')
    await settle()
    expect(room.status).toBe('left')
    expect(server.socket.sent('leave')).toHaveLength(1)
    const again = weft.room('a')
    expect(again).not.toBe(room)
    await again.synced()
    again.doc.getText('t').insert(0, 'y')
    await settle()
    // Numbers are never used twice by a client in a room (P27).
    expect(server.socket.sent('update').map((frame) => frame.n)).toEqual([1, 2])
  })

  test('left before JOINED came, and wanted back: LEAVE, LEFT, JOIN (P13, P15)', async () => {
    const { server, client } = harness()
    const weft = client()
    const other = weft.room('b')
    await other.synced()
    weft.room('a').leave()
    const room = weft.room('a')
    await room.synced()
    expect(
      server.socket.received.map((frame) => frame.type).filter((type) => type === 'join' || type === 'leave'),
    ).toEqual(['join', 'join', 'leave', 'join'])
  })
})
