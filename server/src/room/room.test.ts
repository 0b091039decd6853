import * as Y from 'yjs'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { MemoryBus, type Bus, type BusMessage } from '../bus/index.js'
import { DocWorkers } from '../compaction/index.js'
import { Coverage, inspectUpdate } from '../crdt/index.js'
import { asRoomId } from '../ids.js'
import { Journal } from '../journal/index.js'
import { StoreError, type CommitEntry, type CommitResult, type StoredEvent } from '../store/types.js'
import { FairShares, LoopTurns, TenantCounts } from '../tenants/index.js'
import { BaseMemory } from './base-memory.js'
import { BatchEnd } from './batch-end.js'
import { RoomQuarantine } from './room-quarantine.js'
import { maxUnacked } from './acks.js'
import { Room } from './room.js'
import { maxAheadBytes } from './tail.js'
import { ScriptedMember, ScriptedOutput, silentObserver } from './testing/scripted.js'

/* A room over a log in memory that loses answers when told so. */

const away = new StoreError('transient', 'the connection was lost', null)

class MemoryLog {
  readonly events: StoredEvent[] = []
  private readonly messages = new Map<string, number>()
  /** What becomes of the next commits: it happens and the answer is lost, or it does not happen. */
  readonly faults: ('ambiguous' | 'lost')[] = []
  reads = 0
  failReads = 0

  commit(entries: readonly CommitEntry[]): Promise<CommitResult[]> {
    const fault = this.faults.shift()
    if (fault === 'lost') return Promise.reject(away)
    const results = entries.map((entry) => this.append(entry))
    return fault === 'ambiguous' ? Promise.reject(away) : Promise.resolve(results)
  }

  append(entry: Pick<CommitEntry, 'kind' | 'clientId' | 'clientSeq' | 'name' | 'payload'>): CommitResult {
    const { kind, clientId, clientSeq, name, payload } = entry
    const key = `${clientId} ${clientSeq}`
    const known = kind === 'message' ? this.messages.get(key) : undefined
    if (known !== undefined) return { status: 'duplicate', seq: known }
    const seq = this.events.length + 1
    if (kind === 'message') this.messages.set(key, seq)
    this.events.push({ seq, kind, author: null, clientId, clientSeq, name, payload, createdAt: 0 })
    return { status: 'committed', seq }
  }

  readEvents(_room: number, after: number, upTo: number): Promise<StoredEvent[]> {
    this.reads++
    if (this.failReads-- > 0) return Promise.reject(away)
    return Promise.resolve(this.events.slice(after, upTo))
  }
}

let workers: DocWorkers
let log: MemoryLog
let output: ScriptedOutput
let journal: Journal
let room: Room
let bus: Bus
let otherNode: Bus

beforeAll(() => {
  workers = new DocWorkers({ connection: { kind: 'embedded', socketPath: '/nonexistent' }, threads: 1 })
})

afterAll(() => workers.close())

beforeEach(() => {
  log = new MemoryLog()
  output = new ScriptedOutput()
  const shared = new MemoryBus()
  bus = shared.connect('a')
  otherNode = shared.connect('b')
  const nothing = (): void => undefined
  journal = new Journal(
    log,
    {
      maxBatchEntries: 100,
      maxBatchBytes: 1e6,
      memory: new FairShares(100).limit(1e6),
      interval: () => 0,
      random: () => 0,
    },
    { committed: nothing, failed: nothing, quarantined: nothing, fault: nothing },
  )
  room = makeRoom()
})

const makeRoom = (events: readonly StoredEvent[] = []): Room =>
  new Room(
    '',
    'r',
    {
      id: asRoomId(1),
      epoch: 1,
      baseSeq: 0,
      base: null,
      events,
      coverage: new Coverage(),
      listen: (listener) => bus.subscribe(asRoomId(1), listener),
    },
    {
      journal: journal.lane(''),
      bus,
      store: log,
      workers,
      bases: new BaseMemory(1e9).forTenant(),
      usage: new TenantCounts(0).others,
      loop: new LoopTurns(new FairShares(100).limit(1e9)).of(''),
      remoteMemory: new FairShares(100).limit(1e9).share(''),
      memory: new FairShares(100).limit(1e9).share(''),
      batchEnd: new BatchEnd(silentObserver),
      quarantine: new RoomQuarantine(() => undefined),
      observer: silentObserver,
      options: {
        compactBytes: 1e9,
        presenceEntriesPerConnection: 4,
        holeGrace: 1,
        maxWaitingBytes: 1e6,
        watermarkEvents: 1,
        watermarkInterval: 1,
        messageWatermarkInterval: 1,
        maxDocumentBytes: 1e9,
      },
    },
    output,
  )

/** Updates of one text, one per character. */
const typed = (text: string, doc = new Y.Doc()): Uint8Array[] =>
  Array.from(text, (letter) => {
    const before = Y.encodeStateVector(doc)
    doc.getText('t').insert(doc.getText('t').length, letter)
    return Y.encodeStateAsUpdate(doc, before)
  })

const change = (member: ScriptedMember, n: number, update: Uint8Array): void =>
  room.change(member, n, update, inspectUpdate(update))

const textOf = (updates: readonly (Uint8Array | null)[]): string => {
  const doc = new Y.Doc()
  for (const update of updates) if (update !== null) Y.applyUpdate(doc, update)
  return doc.getText('t').toJSON()
}

const join = (clientId: string | null = null): ScriptedMember => {
  const member = new ScriptedMember(clientId)
  room.join(member)
  return member
}

const relayed = (): string => textOf(output.relays.flatMap(({ updates }) => updates))

describe('changes', () => {
  test('I3, I1: a change is relayed at once; its ack waits for the commit', async () => {
    log.faults.push('lost')
    const member = join()
    change(member, 1, typed('a')[0]!)
    expect(relayed()).toBe('a')
    expect(member.acks).toEqual([])
    await vi.waitFor(() => expect(member.acks).toEqual([{ n: 1, seq: 1 }]))
    expect(log.events).toHaveLength(1)
  })

  test('I1: an ack waits for the commit of what the change refers to, also by another member', async () => {
    const [a, b] = [join(), join()]
    const [first, second] = typed('xy')
    change(b, 1, second!)
    await journal.flush()
    expect(log.events).toHaveLength(1)
    expect(b.acks).toEqual([])
    change(a, 1, first!)
    await vi.waitFor(() => expect(b.acks).toEqual([{ n: 1, seq: 1 }]))
    expect(a.acks).toEqual([{ n: 1, seq: 2 }])
  })

  test('I6: changes that wait behind one whose dependencies never come are bounded', async () => {
    const [a, b] = [join(), join()]
    const [first, second] = typed('xy')
    change(b, 1, second!)
    for (let n = 2; n <= maxUnacked; n++) room.append(b, n, 'm', Uint8Array.of(1))
    expect([room.isBehindWithAcks(b), room.isBehindWithAcks(a)]).toEqual([true, false])
    await journal.flush()
    expect([b.acks, room.isBehindWithAcks(b)]).toEqual([[], true])
    change(a, 1, first!)
    await vi.waitFor(() => expect(b.acks.at(-1)?.n).toBe(maxUnacked))
    expect(room.isBehindWithAcks(b)).toBe(false)
  })

  test('I2: messages come after their commit, in seq order, and after the updates before them', async () => {
    const member = join('c')
    room.append(member, 1, 'm', Uint8Array.of(1))
    change(member, 2, typed('a')[0]!)
    room.append(member, 3, 'm', Uint8Array.of(3))
    expect(output.messages).toEqual([])
    await vi.waitFor(() => expect(member.acks.at(-1)).toEqual({ n: 3, seq: 3 }))
    expect(output.messages.map(({ seq, clientSeq }) => [seq, clientSeq])).toEqual([
      [1, 1],
      [3, 3],
    ])
  })

  test('P29: a watermark says no more than what has been handed out', async () => {
    change(join(), 1, typed('a')[0]!)
    await vi.waitFor(() => expect(output.watermarks).toEqual([1]))
    expect(output.order.indexOf('watermark 1')).toBeGreaterThan(output.order.indexOf('updates 1'))
  })

  test('pending counts messages as well as updates: the journal still refers to the room', async () => {
    const member = join('c')
    room.append(member, 1, 'm', Uint8Array.of(1))
    change(member, 2, typed('a')[0]!)
    expect(room.pending).toBe(2)
    await journal.flush()
    expect(room.pending).toBe(0)
  })
})

describe('holes in the log', () => {
  test('I4: an ambiguous commit leaves a hole that is read from the log; head never stands beyond it', async () => {
    const member = join()
    log.faults.push('ambiguous')
    change(member, 1, typed('a')[0]!)
    await journal.flush()
    // Committed as 1, and again as 2, of which alone the node was told.
    expect(log.events).toHaveLength(2)
    expect(room.head).toBe(0)
    expect(output.watermarks).toEqual([])
    await vi.waitFor(() => expect(room.head).toBe(2))
    await vi.waitFor(() => expect(output.watermarks).toEqual([2]))
    expect(member.acks).toEqual([{ n: 1, seq: 2 }])
    expect(relayed()).toBe('a')
  })

  test('I2: a message whose commit lost its answer is passed on once, though nothing follows it', async () => {
    const member = join('c')
    log.faults.push('ambiguous')
    room.append(member, 1, 'm', Uint8Array.of(1))
    await vi.waitFor(() => expect(member.acks).toEqual([{ n: 1, seq: 1 }]))
    expect(output.messages.map(({ seq }) => seq)).toEqual([1])
    expect(room.head).toBe(1)
  })

  test('I2: a message behind a hole waits for it, and is passed on once when it is filled', async () => {
    const member = join('c')
    // Another node commits first.
    log.append({ kind: 'message', clientId: 'other', clientSeq: 1, name: 'm', payload: Uint8Array.of(9) })
    room.append(member, 1, 'm', Uint8Array.of(1))
    await journal.flush()
    expect(output.messages).toEqual([])
    await vi.waitFor(() => expect(output.messages.map(({ clientId }) => clientId)).toEqual(['other', 'c']))
  })

  test('P17: a member that joins while there is a hole gets what is committed beyond it', async () => {
    const updates = typed('ab')
    log.failReads = 3
    log.append({ kind: 'update', clientId: null, clientSeq: null, name: null, payload: typed('z')[0]! })
    for (const [i, update] of updates.entries()) change(join(), i + 1, update)
    await journal.flush()
    expect(room.head).toBe(0)
    expect(textOf(room.rest(0).updates)).toBe('ab')
    // What fills the hole comes to it live; what was relayed before does not come twice.
    output.relays.length = 0
    await vi.waitFor(() => expect(room.head).toBe(3))
    expect(relayed()).toBe('z')
    expect(log.reads).toBe(4)
  })

  test('I7: a stored update that is none fills its place in the log and harms nobody', async () => {
    const bad = { kind: 'update', clientId: null, clientSeq: null, name: null } as const
    log.append({ ...bad, payload: Uint8Array.of(1, 2, 3) })
    const member = join()
    change(member, 1, typed('a')[0]!)
    await vi.waitFor(() => expect(room.head).toBe(2))
    expect(textOf(room.rest(0).updates)).toBe('a')
    // Read for a client that resumes from before it, once the tail has let it go.
    room.tail.dropUpTo(2)
    expect(textOf((await room.readLog(0)).map(({ payload }) => payload))).toBe('a')
  })
})

describe('the bus', () => {
  test('I4: updates of another node are relayed here, and never sent back', async () => {
    const heard: BusMessage[] = []
    otherNode.subscribe(asRoomId(1), (message) => heard.push(message))
    join()
    const updates = typed('ab')
    otherNode.publish(asRoomId(1), { kind: 'relay', first: 1, updates })
    await vi.waitUntil(() => output.relays.length > 0)
    expect(textOf(output.relays.flatMap((relay) => relay.updates))).toBe('ab')
    expect(heard).toEqual([])
  })

  test('I4: what another node committed is read from the log, also when its relay was lost', async () => {
    join()
    for (const payload of typed('abc')) {
      log.append({ kind: 'update', clientId: null, clientSeq: null, name: null, payload })
    }
    otherNode.publish(asRoomId(1), { kind: 'committed', head: 3, updates: [], messages: [] })
    await vi.waitUntil(() => room.head === 3)
    expect(textOf(output.relays.flatMap((relay) => relay.updates))).toBe('abc')
    expect(textOf(room.rest(0).updates)).toBe('abc')
  })

  test('I4: a head that the log does not have is asked for once, and the log goes on being followed', async () => {
    join()
    const [first, second] = typed('ab')
    log.append({ kind: 'update', clientId: null, clientSeq: null, name: null, payload: first! })
    otherNode.publish(asRoomId(1), { kind: 'committed', head: 1_000_000, updates: [], messages: [] })
    otherNode.publish(asRoomId(1), { kind: 'relay', first: 1, updates: [second!] })
    otherNode.publish(asRoomId(1), {
      kind: 'committed',
      head: 0,
      updates: [{ seq: 2_000_000, number: 1 }],
      messages: [],
    })
    await vi.waitUntil(() => room.head === 1 && room.tail.newest === 1)
    const { reads } = log
    // What was claimed of a seq that is not there is there in the end all the same.
    log.append({ kind: 'update', clientId: null, clientSeq: null, name: null, payload: second! })
    room.swept({ headSeq: 2, epoch: 1 })
    await vi.waitUntil(() => room.head === 2)
    expect([textOf(room.rest(0).updates), log.reads - reads]).toEqual(['ab', 1])
  })

  test('I6, I4: commits behind a hole that cannot be read are let go of beyond the limit, and read with it', async () => {
    const member = join()
    const text = 'x'.repeat(60_000)
    const doc = new Y.Doc()
    log.append({ kind: 'update', clientId: null, clientSeq: null, name: null, payload: typed('z')[0]! })
    log.failReads = Infinity
    for (let n = 1; n <= 80; n++) {
      const before = Y.encodeStateVector(doc)
      doc.getText('t').insert(0, text)
      change(member, n, Y.encodeStateAsUpdate(doc, before))
      await journal.flush()
    }
    expect(member.acks.at(-1)).toEqual({ n: 80, seq: 81 })
    expect([room.head, room.tail.bytes <= maxAheadBytes, room.tail.newest]).toEqual([0, true, 81])
    log.failReads = 0
    await vi.waitUntil(() => room.head === 81, { timeout: 5_000 })
    expect(textOf(room.rest(0).updates)).toHaveLength(80 * text.length + 1)
  })

  test('I4: a room that is opened again does not use the numbers of before, which other nodes still know', async () => {
    const numbers: number[] = []
    otherNode.subscribe(asRoomId(1), (message) => {
      if (message.kind === 'relay') numbers.push(message.first)
      if (message.kind === 'committed') numbers.push(...message.updates.map(({ number }) => number))
    })
    for (let opening = 0; opening < 3; opening++) {
      const member = join()
      typed('ab', new Y.Doc()).forEach((update, i) => change(member, i + 1, update))
      await journal.flush()
      await vi.waitFor(() => expect(new Set(numbers).size).toBe(2 * (opening + 1)))
      room.leave(member)
      room.dispose()
      room = makeRoom(log.events)
    }
  })

  test('an update of this node is published once, and its commit is told', async () => {
    const heard: BusMessage[] = []
    otherNode.subscribe(asRoomId(1), (message) => heard.push(message))
    const member = join('c'.repeat(32))
    const [update] = typed('a')
    change(member, 1, update!)
    await vi.waitUntil(() => heard.length === 2)
    expect(heard).toEqual([
      { kind: 'relay', first: expect.any(Number) as number, updates: [update] },
      {
        kind: 'committed',
        head: 1,
        updates: [{ seq: 1, number: expect.any(Number) as number }],
        messages: [],
      },
    ])
  })
})
