import * as Y from 'yjs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Coverage, decodeStateVector, inspectUpdate, isLarge, UpdateInvalidError } from '../crdt/index.js'
import { editDocument, randomDocument } from '../crdt/testing/random-doc.js'
import { seededRandom } from '../crdt/testing/random.js'
import { connectWorker, readSnapshotSeqs, writeSnapshot, type Sql } from '../store/index.js'
import type { CommitEntry, RoomRow, Store } from '../store/types.js'
import { DocWorkers, unpackEvents } from './index.js'

/** What the doc workers do with the store, whatever database is behind it. */
export function docWorkersContract(
  openBackend: () => Promise<{ store: Store; dispose: () => Promise<void> }>,
): void {
  let backend: Awaited<ReturnType<typeof openBackend>>
  let store: Store
  let workers: DocWorkers
  let sql: Sql
  let rooms = 0

  beforeAll(async () => {
    backend = await openBackend()
    store = backend.store
    workers = new DocWorkers({ connection: store.connection, threads: 2 })
    sql = connectWorker(store.connection)
  })

  afterAll(async () => {
    await workers.close()
    await sql.end()
    await backend.dispose()
  })

  const newRoom = (): Promise<RoomRow> => store.openRoom('workers', `room ${++rooms}`)
  const entry = (room: RoomRow, payload: Uint8Array): CommitEntry => ({
    roomId: room.id,
    epoch: room.epoch,
    kind: 'update',
    author: null,
    clientId: null,
    clientSeq: null,
    name: null,
    payload,
  })
  const message = (room: RoomRow, n: number): CommitEntry => ({
    ...entry(room, Uint8Array.from([0xa1, 0x61 + n])),
    kind: 'message',
    author: 'ann',
    clientId: '0123456789abcdef0123456789abcdef',
    clientSeq: n,
    name: 'comment',
  })
  const commit = async (entries: CommitEntry[]): Promise<void> => {
    for (const result of await store.commit(entries)) expect(result.status).toBe('committed')
  }
  const documentOf = (...updates: (Uint8Array | null)[]): Y.Doc => {
    const doc = new Y.Doc()
    for (const update of updates) if (update !== null) Y.applyUpdate(doc, update)
    return doc
  }
  const content = (doc: Y.Doc): unknown => [doc.getText('text').toDelta(), doc.getMap('map').toJSON()]
  const of = (room: RoomRow) => ({ roomId: room.id, epoch: room.epoch })

  /** Random edits of three users, with messages in between. */
  const fill = async (room: RoomRow, seed: number, edits = 60): Promise<readonly Uint8Array[]> => {
    const { updates } = randomDocument(seededRandom(seed), { users: 3, edits })
    await commit(
      updates.flatMap((update, i) =>
        i % 7 === 3 ? [message(room, i), entry(room, update)] : [entry(room, update)],
      ),
    )
    return updates
  }

  describe('load', () => {
    test('an empty room', async () => {
      const room = await newRoom()
      const loaded = await workers.load(of(room))
      expect(loaded).toMatchObject({ baseSeq: 0, base: null, headSeq: 0, quarantined: [], problems: [] })
      expect(unpackEvents(loaded.events)).toEqual([])
    })

    test('I1: everything committed, in order, as the store has it', async () => {
      const room = await newRoom()
      const updates = await fill(room, 1)
      const loaded = await workers.load(of(room))
      const events = unpackEvents(loaded.events)
      const stored = await store.readEvents(room.id, 0, 1e9, 1e6)
      expect(events.map((event) => ({ ...event, payload: [...event.payload] }))).toEqual(
        stored.map((event) => ({ ...event, payload: [...event.payload] })),
      )
      expect(events[0]?.payload.buffer).toBeInstanceOf(SharedArrayBuffer)
      const doc = documentOf(...updates)
      expect(Coverage.restore(loaded.coverage).encodeStateVector()).toEqual(Y.encodeStateVector(doc))
      expect(loaded.headSeq).toBe(events.length)
    })

    test('up to a seq', async () => {
      const room = await newRoom()
      await fill(room, 2, 20)
      const loaded = await workers.load({ ...of(room), upTo: 5 })
      expect(loaded.headSeq).toBe(5)
      expect(unpackEvents(loaded.events).map((event) => event.seq)).toEqual([1, 2, 3, 4, 5])
    })

    test('more events than one page', async () => {
      const room = await newRoom()
      await commit(
        Array.from({ length: 1203 }, (_, i) => entry(room, Uint8Array.from([1, 1, 7, ...clock(i), 0, 1, 0]))),
      )
      const loaded = await workers.load(of(room))
      expect(unpackEvents(loaded.events).length).toBe(1203)
      expect(loaded.coverage.state).toEqual([7, 1203])
    })

    test('I7: a stored update that is none is quarantined by seq, and the room opens', async () => {
      const room = await newRoom()
      const doc = new Y.Doc()
      doc.getText('text').insert(0, 'safe')
      const selfOrigin = Uint8Array.from([1, 1, 9, 0, 0x84, 9, 0, 1, 120, 0])
      await commit([
        entry(room, Uint8Array.from([255])),
        entry(room, Y.encodeStateAsUpdate(doc)),
        entry(room, selfOrigin),
      ])
      const loaded = await workers.load(of(room))
      expect(loaded.quarantined).toEqual([1, 3])
      expect(unpackEvents(loaded.events).map((event) => event.seq)).toEqual([2])
      expect(loaded.coverage.state).toEqual([doc.clientID, 4])
      const rows = await sql<{ seq: number; reason: string }[]>`
        select seq, reason from quarantined_events where room_id = ${room.id} order by seq`
      expect(rows.map((row) => row.seq)).toEqual([1, 3])
      expect(rows[1]?.reason).toContain('refers to itself')
      expect((await workers.load(of(room))).quarantined).toEqual([1, 3])

      const compacted = await workers.compact(of(room))
      expect(compacted).toMatchObject({ seq: 3, quarantined: [1, 3] })
      expect(content(documentOf(compacted?.state ?? null))).toEqual(content(doc))
    })

    test('a damaged snapshot is passed over for the one before, and that one for the log', async () => {
      const room = await newRoom()
      const updates = await fill(room, 3, 20)
      const first = await workers.compact(of(room))
      const doc = documentOf(...updates)
      const before = Y.encodeStateVector(doc)
      editDocument(doc, seededRandom(1))
      doc.getText('text').insert(0, 'more')
      await commit([entry(room, Y.encodeStateAsUpdate(doc, before))])
      await writeSnapshot(sql, room.id, room.epoch, (first?.seq ?? 0) + 1, Uint8Array.from([1, 2, 3]), before)

      const loaded = await workers.load(of(room))
      expect(loaded.baseSeq).toBe(first?.seq)
      expect(loaded.problems).toEqual([expect.stringContaining('is damaged')])
      expect(Coverage.restore(loaded.coverage).encodeStateVector()).toEqual(Y.encodeStateVector(doc))

      await sql`update snapshots set state = '\\x00ff' where room_id = ${room.id} and seq = ${loaded.baseSeq}`
      const fromLog = await workers.load(of(room))
      expect(fromLog).toMatchObject({ baseSeq: 0, base: null })
      expect(fromLog.problems.length).toBe(2)
      expect(Coverage.restore(fromLog.coverage).encodeStateVector()).toEqual(Y.encodeStateVector(doc))
    })

    test('another epoch is fenced', async () => {
      const room = await newRoom()
      const failure: unknown = await workers
        .load({ ...of(room), epoch: room.epoch + 1 })
        .catch((e: unknown) => e)
      expect(failure).toMatchObject({ name: 'DocWorkerError', code: 'fenced', retryable: false })
      await expect(workers.compact({ ...of(room), epoch: room.epoch + 1 })).rejects.toMatchObject({
        code: 'fenced',
      })
    })
  })

  describe('compact', () => {
    test('I1: the snapshot has what the log has, and the rest is read after it', async () => {
      const room = await newRoom()
      const updates = [...(await fill(room, 4))]
      const compacted = await workers.compact(of(room))
      const doc = documentOf(...updates)
      expect(compacted?.bytes).toBe(compacted?.state.length)
      expect(compacted?.stateVector).toEqual(Y.encodeStateVector(doc))
      expect(content(documentOf(compacted?.state ?? null))).toEqual(content(doc))
      expect(await workers.compact(of(room))).toBeNull()

      const before = Y.encodeStateVector(doc)
      doc.getText('text').insert(0, 'after')
      await commit([entry(room, Y.encodeStateAsUpdate(doc, before)), message(room, 1000)])
      const loaded = await workers.load(of(room))
      expect(loaded.baseSeq).toBe(compacted?.seq)
      expect(loaded.baseStateVector).toEqual(compacted?.stateVector)
      expect(unpackEvents(loaded.events).map((event) => event.kind)).toEqual(['update', 'message'])
      const tail = unpackEvents(loaded.events).filter((event) => event.kind === 'update')
      expect(content(documentOf(loaded.base, ...tail.map((event) => event.payload)))).toEqual(content(doc))
    })

    test('collects garbage, and old updates over it converge', async () => {
      const room = await newRoom()
      const doc = new Y.Doc()
      doc.getText('text').insert(0, 'x'.repeat(10_000))
      const offline = documentOf(Y.encodeStateAsUpdate(doc))
      const before = Y.encodeStateVector(offline)
      offline.getText('text').insert(5000, 'late')
      doc.getText('text').delete(0, 10_000)
      await commit([entry(room, Y.encodeStateAsUpdate(doc))])
      expect((await workers.compact(of(room)))?.bytes).toBeLessThan(100)
      await commit([entry(room, Y.encodeStateAsUpdate(offline, before))])
      const compacted = await workers.compact(of(room))
      expect(content(documentOf(compacted?.state ?? null))).toEqual([[{ insert: 'late' }], {}])
    })

    test('what waits for something not committed survives it', async () => {
      const room = await newRoom()
      const updates: Uint8Array[] = []
      const doc = new Y.Doc()
      doc.on('update', (update: Uint8Array) => updates.push(update))
      for (const word of ['one ', 'two ', 'three'])
        doc.getText('text').insert(doc.getText('text').length, word)
      doc.getText('text').delete(0, 4)
      const [one, two, three, deletion] = updates.map((update) => entry(room, update))
      await commit([present(three), present(deletion)])
      const compacted = await workers.compact(of(room))
      expect(decodeStateVector(present(compacted).stateVector).size).toBe(0)
      const loaded = await workers.load(of(room))
      expect(loaded.coverage.waiting.map((each) => each.tag)).toEqual([2])
      await commit([present(one), present(two)])
      expect(content(documentOf(present(await workers.compact(of(room))).state))).toEqual([
        [{ insert: 'two three' }],
        {},
      ])
    })

    test('at once on two nodes, while others write, loses nothing', async () => {
      const room = await newRoom()
      const other = new DocWorkers({ connection: store.connection, threads: 1 })
      const updates: Uint8Array[] = []
      try {
        for (let round = 0; round < 4; round++) {
          const { updates: more } = randomDocument(seededRandom(100 + round), { users: 2, edits: 10 })
          updates.push(...more)
          const half = more.length >> 1
          await commit(more.slice(0, half).map((update) => entry(room, update)))
          await Promise.all([
            workers.compact(of(room)),
            commit(more.slice(half).map((update) => entry(room, update))),
            other.compact(of(room)),
            workers.compact(of(room)),
          ])
        }
        const loaded = await other.load(of(room))
        const tail = unpackEvents(loaded.events).map((event) => event.payload)
        expect(content(documentOf(loaded.base, ...tail))).toEqual(content(documentOf(...updates)))
        expect((await readSnapshotSeqs(sql, room.id)).length).toBeLessThanOrEqual(2)
      } finally {
        await other.close()
      }
    })
  })

  test('the database away: a typed store error, and the workers recover with it', async () => {
    const away = new DocWorkers({
      connection: { kind: 'postgres', url: 'postgres://nobody@127.0.0.1:1/none' },
      threads: 1,
    })
    try {
      const room = await newRoom()
      await expect(away.load(of(room))).rejects.toMatchObject({ name: 'StoreError', kind: 'transient' })
      expect(await away.merge({ parts: [] })).toEqual(Uint8Array.from([0, 0]))
    } finally {
      await away.close()
    }
  })

  test('a large update is inspected beside the event loop, with the same result', async () => {
    const doc = new Y.Doc()
    const text = doc.getText('text')
    doc.transact(() => {
      for (let i = 0; i < 20_000; i++) text.insert(i >> 1, 'x')
    })
    const update = Y.encodeStateAsUpdate(doc)
    expect(isLarge(update)).toBe(true)
    expect(await workers.inspect({ update })).toEqual(inspectUpdate(update))
    await expect(workers.inspect({ update: update.subarray(0, update.length - 1) })).rejects.toBeInstanceOf(
      UpdateInvalidError,
    )
  })
}

function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('missing')
  return value
}

function clock(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, value >> 7]
}
