import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { encodeDeletes } from './deletes.js'
import { discardOf } from './discard.js'
import { harness, settle, type Harness } from './testing/harness.js'
import type { Rejection, Reset, Room } from './types.js'

const textOf = (doc: Y.Doc): string => doc.getText('t').toJSON()

/** A room whose server refuses, and what the application hears of it. */
const open = async (): Promise<Harness & { room: Room; rejections: Rejection[]; resets: Reset[] }> => {
  const made = harness()
  const room = made.client().room('a')
  await room.synced()
  const rejections: Rejection[] = []
  const resets: Reset[] = []
  room.on('rejected', (rejection) => rejections.push(rejection))
  room.on('reset', (reset) => resets.push(reset))
  return { ...made, room, rejections, resets }
}

/** Types letters at the end, each a change of its own. */
const type = async (room: Room, letters: string): Promise<void> => {
  for (const letter of letters) {
    room.doc.getText('t').insert(room.doc.getText('t').length, letter)
    await settle()
  }
}

describe('a refused change', () => {
  test('in the middle of a stream: its content goes, what was typed after it lands, and all is saved (P22, P23)', async () => {
    const { server, room, rejections, resets } = await open()
    server.autoCommit = false
    server.refuse = (n) => (n === 2 ? 'too_large' : null)
    await type(room, 'abc')
    // Told of it at once; the later change hangs on what stands in for the refused one.
    expect(rejections).toMatchObject([{ n: 2, kind: 'update', code: 'too_large', outcome: 'discarded' }])
    expect(textOf(room.doc)).toBe('ac')
    await type(room, 'd')
    server.autoCommit = true
    server.commit('a')
    await settle()
    expect(room.unsaved).toBe(0)
    expect(resets).toEqual([])
    expect(textOf(server.committed('a'))).toBe('acd')
    expect(textOf(room.doc)).toBe('acd')
    expect(server.committed('a').store.pendingStructs).toBe(null)
  })

  test('saved() tells the truth about it, and only to those who waited for it', async () => {
    const { server, room } = await open()
    server.refuse = (n) => (n === 2 ? 'invalid_update' : null)
    room.doc.getText('t').insert(0, 'a')
    const before = room.saved()
    await before
    room.doc.getText('t').insert(1, 'b')
    await expect(room.saved()).rejects.toMatchObject({ code: 'invalid_update' })
    room.doc.getText('t').insert(0, 'c')
    await room.saved()
    expect(textOf(server.committed('a'))).toBe('ca')
  })

  test('beyond updateBytes it never reaches the wire: something small does in its place', async () => {
    const { server, client } = harness()
    server.limits = { ...server.limits, updateBytes: 100 }
    const room = client().room('a')
    await room.synced()
    room.doc.getText('t').insert(0, 'x'.repeat(200))
    await expect(room.saved()).rejects.toMatchObject({ code: 'too_large' })
    room.doc.getText('t').insert(0, 'small')
    await room.saved()
    expect(textOf(server.committed('a'))).toBe('small')
    for (const frame of server.socket.sent('update')) expect(frame.update.length).toBeLessThan(100)
  })

  test('that deleted what others wrote: the document is replaced by one in which that is still there', async () => {
    const { server, room, rejections, resets } = await open()
    server.write('a', (doc) => doc.getText('t').insert(0, 'theirs'))
    await settle()
    server.refuse = (n) => (n === 1 ? 'too_large' : null)
    const before = room.doc
    room.doc.transact(() => {
      room.doc.getText('t').delete(0, 6)
      room.doc.getText('t').insert(0, 'mine')
    })
    await settle()
    room.doc.getText('t').insert(0, '!')
    await settle()
    expect(rejections).toMatchObject([{ n: 1, outcome: 'reset' }])
    expect(resets).toMatchObject([{ reason: 'rejected', previous: before }])
    expect(room.doc).not.toBe(before)
    await room.saved()
    expect(textOf(room.doc)).toBe(textOf(server.committed('a')))
    expect(textOf(room.doc)).toBe('!theirs')
  })

  test('forbidden: a fresh document, and everything that is lost with the old one handed over', async () => {
    const { server, room, rejections, resets } = await open()
    await type(room, 'a')
    await room.saved()
    server.refuse = () => 'forbidden'
    room.doc.getText('t').insert(1, 'b')
    const saving = room.saved()
    const appending = room.events.append('note', 1)
    room.doc.getMap('m').set('k', 'v')
    await expect(saving).rejects.toMatchObject({ code: 'forbidden' })
    await expect(appending).rejects.toMatchObject({ code: 'forbidden' })
    await settle()
    expect(rejections[0]).toMatchObject({ kind: 'update', code: 'forbidden', outcome: 'reset' })
    expect(resets).toHaveLength(1)
    expect(resets[0]).toMatchObject({ reason: 'rejected' })
    // What was lost can be applied to what the server has.
    const copy = server.committed('a')
    for (const update of resets[0]!.unsaved) Y.applyUpdate(copy, update)
    expect(textOf(copy)).toBe('ab')
    expect(copy.getMap('m').get('k')).toBe('v')
    expect(room.status).toBe('live')
    expect(textOf(room.doc)).toBe('a')
    expect(room.unsaved).toBe(0)
    server.refuse = () => null
    await type(room, 'c')
    await room.saved()
    expect(textOf(server.committed('a'))).toBe('ac')
  })

  test('when what stands in for it is refused as well, the document is replaced', async () => {
    const { server, room, resets } = await open()
    server.refuse = (n) => (n < 3 ? 'invalid_update' : null)
    await type(room, 'a')
    await settle()
    expect(resets).toMatchObject([{ reason: 'rejected' }])
    await type(room, 'b')
    await room.saved()
    expect(textOf(server.committed('a'))).toBe('b')
  })

  test('a listener of the reset that leaves, and opens the room again, gets a room that works', async () => {
    const { server, client } = harness()
    const one = client()
    const old = one.room('a')
    await old.synced()
    const again = new Promise<Room>((resolve) => {
      old.on('reset', () => {
        old.leave()
        resolve(one.room('a'))
      })
    })
    server.refuse = () => 'forbidden'
    old.doc.getText('t').insert(0, 'x')
    const room = await again
    server.refuse = () => null
    await room.synced()
    expect([old.status, room.status]).toEqual(['left', 'live'])
  })

  test('a room that was left with changes in hand, and is then denied, ends: the next one is a new one', async () => {
    const { server, client, pass } = harness()
    server.autoCommit = false
    const one = client()
    const old = one.room('a')
    await old.synced()
    old.doc.getText('t').insert(0, 'x')
    await settle()
    old.leave()
    const original = server.take.bind(server)
    server.take = (socket, frame) => {
      if (frame.type !== 'join') original(socket, frame)
      else
        socket.deliver({
          type: 'error',
          request: frame.request,
          code: 'forbidden',
          message: '',
          retryAfter: 0,
        })
    }
    server.crash()
    await pass(3_000)
    expect([old.status, one.unsaved]).toEqual(['left', 0])
    server.take = original
    const room = one.room('a')
    expect(room).not.toBe(old)
    await room.synced()
  })

  test('an event: only its append is told', async () => {
    const { server, room, rejections, resets } = await open()
    server.refuse = (n) => (n === 1 ? 'too_large' : null)
    await expect(room.events.append('big', { a: 1 })).rejects.toMatchObject({ code: 'too_large' })
    expect(rejections).toMatchObject([{ kind: 'event', name: 'big', payload: { a: 1 }, outcome: 'dropped' }])
    expect(resets).toEqual([])
    await room.events.append('small', 1)
  })
})

describe('what stands in for a refused update', () => {
  test('keeps the place of later text, of maps and of nested types, in any document', () => {
    const author = new Y.Doc()
    const updates: Uint8Array[] = []
    author.on('update', (update: Uint8Array) => updates.push(update))
    author.getText('t').insert(0, 'one two')
    author.transact(() => {
      author.getText('t').insert(3, ' REFUSED')
      author.getMap('m').set('nested', new Y.Map([['k', 1]]))
      author.getArray('a').push([1, 2, 3])
    })
    author.getText('t').insert(7, ' in the middle of it')
    author.getArray('a').insert(1, ['later'])
    const { replacement, undo, deletesOthers } = discardOf(updates[1]!, encodeDeletes)
    expect(deletesOthers).toBe(false)
    const other = new Y.Doc()
    other.getText('t')
    other.getMap('m')
    other.getArray('a')
    for (const update of [updates[0]!, updates[2]!, updates[3]!, replacement!]) Y.applyUpdate(other, update)
    Y.applyUpdate(author, undo)
    expect(other.store.pendingStructs).toBe(null)
    expect(other.getMap('m').toJSON()).toEqual(author.getMap('m').toJSON())
    expect(textOf(author)).toBe(textOf(other))
    expect(textOf(other)).toBe('one in the middle of it two')
    expect(other.getArray('a').toJSON()).toEqual(['later'])
    expect(Y.encodeStateVector(other)).toEqual(Y.encodeStateVector(author))
  })
})
