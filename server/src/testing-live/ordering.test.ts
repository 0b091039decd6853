/*
 * Ordering and durability for any interleaving: SDK clients and protocol peers edit and send messages over real sockets
 * through proxies that cut them, against real servers on a real PostgreSQL behind a store that loses commits and answers;
 * servers die and come back, other nodes commit in between. `WEFT_SEEDS` sets how many runs (`WEFT_ORDERING_SEEDS` here
 * alone), `WEFT_SEED` one of them.
 */
import { createClient, type Client, type Room } from '@weft/client'
import { encodeValue } from '@weft/protocol'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { createServer, type WeftServer } from '../index.js'
import type { Store, StoredEvent } from '../store/index.js'
import { openStore } from '../store/index.js'
import { FaultyStore, Ledger, type CommitFault, type LedgerRoom } from '../testing/faulty-store.js'
import { startPostgres, type TestPostgres } from '../testing/index.js'
import { Random } from '../testing/random.js'
import { TcpProxy } from '../testing/tcp-proxy.js'
import { WeftPeer } from '../testing/weft-peer.js'

const seedCount = Number(process.env['WEFT_ORDERING_SEEDS'] ?? process.env['WEFT_SEEDS'] ?? '12')
const onlySeed = process.env['WEFT_SEED']
const steps = 70
const settleMs = 15_000

/** What the runs exercised, for the last test. */
const total = {
  reconnects: 0,
  resends: 0,
  retries: 0,
  ambiguous: 0,
  failed: 0,
  duplicates: 0,
  restarts: 0,
  foreign: 0,
  cuts: 0,
  repeatedEvents: 0,
}

let database: TestPostgres
let store: Store

beforeAll(async () => {
  // Nothing cuts its power here, and it commits a hundred times faster.
  database = await startPostgres({ settings: { fsync: 'off', synchronous_commit: 'off' } })
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
  store = await openStore({
    databaseUrl: await database.createDatabase(),
    dataDir: '/nonexistent',
    logger: silent,
  })
})

afterAll(async () => {
  await store.close()
  await database.dispose()
})

const tokensOf = (doc: Y.Doc): string[] => doc.getArray<string>('tokens').toArray()

/** Lets sockets and timers have their turn. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A client of either kind, and the proxy between it and the server. */
interface Editor {
  readonly label: string
  readonly proxy: TcpProxy
  readonly peer: WeftPeer | null
  readonly room: Room | null
  doc(): Y.Doc
  unsaved(): number
  live(): boolean
}

class World {
  readonly log: string[] = []
  readonly problems: string[] = []
  readonly ledger = new Ledger()
  readonly inserted = new Set<string>()
  readonly deleted = new Set<string>()
  readonly editors: Editor[] = []
  /** Numbers of appended messages by peer. */
  readonly appended = new Map<WeftPeer, Map<number, string>>()
  private readonly ackedSeqs = new Map<WeftPeer, Map<number, number>>()
  private readonly name: string
  private readonly random: Random
  private readonly clients: Client[] = []
  private readonly foreignDoc = new Y.Doc()
  private readonly faults: unknown[] = []
  private server: WeftServer | null = null
  private faulty: FaultyStore | null = null
  private foreignNumber = 0
  private nextToken = 0
  private journalMaxBytes = 0

  constructor(seed: number) {
    this.random = new Random(seed)
    this.name = `seed ${seed} ${Date.now()}`
  }

  note(line: string): void {
    this.log.push(line)
  }

  problem(line: string): void {
    this.problems.push(line)
    this.note(`PROBLEM ${line}`)
  }

  async start(): Promise<void> {
    // Some runs meet the journal's limit all the time.
    this.journalMaxBytes = this.below(4) === 0 ? 2_000 : 1_000_000
    await this.startServer()
    for (let i = 0; i < 3; i++) this.editors.push(await this.sdk(`sdk${i}`))
    for (let i = 0; i < 2; i++) this.editors.push(await this.protocolPeer(`peer${i}`))
    await this.until(() => this.editors.every((editor) => editor.live()), 'everybody is in the room')
  }

  async run(): Promise<void> {
    for (let step = 0; step < steps; step++) {
      await this.act()
      for (let turns = this.below(6); turns > 0; turns--) await turn()
    }
  }

  /** Everything is mended: all must come out the same. */
  async finish(): Promise<void> {
    this.note('all is mended')
    if (this.faulty !== null) this.faulty.faults.length = 0
    for (const { proxy } of this.editors) {
      proxy.cut()
      proxy.target = this.port
    }
    await this.until(() => this.editors.every((editor) => editor.unsaved() === 0), 'everything is saved')
    const room = await this.ledgerRoom()
    await this.until(() => {
      const content = tokensOf(room.doc).join()
      return this.editors.every((editor) => editor.live() && tokensOf(editor.doc()).join() === content)
    }, 'all clients have what is committed')
    await this.checkLog(room)
    await this.checkContent(room)
    for (const { peer, label } of this.editors) {
      if (peer === null) continue
      for (const breach of peer.breaches) this.problem(`${label}: ${breach}`)
      for (const { n, code } of peer.rejected) this.problem(`${label}: change ${n} was refused: ${code}`)
      total.reconnects += peer.joins - 1
      total.resends += peer.resends
      total.retries += peer.retries
      total.repeatedEvents += peer.repeatedEvents
    }
    for (const fault of this.faults) this.problem(`the server logged a fault: ${String(fault)}`)
    total.ambiguous += this.ledger.ambiguous
    total.failed += this.ledger.failed
    total.duplicates += this.ledger.duplicates
    for (const { proxy } of this.editors) total.cuts += proxy.cuts
  }

  async dispose(): Promise<void> {
    for (const { peer } of this.editors) peer?.close()
    for (const client of this.clients) client.close()
    for (const { proxy } of this.editors) await proxy.close()
    await this.server?.close()
  }

  report(seed: number): string {
    return `seed ${seed} (WEFT_SEED=${seed})\n${this.problems.join('\n')}\nlog:\n${this.log.slice(-120).join('\n')}`
  }

  private get port(): number {
    return this.server?.port ?? 0
  }

  private below(limit: number): number {
    return this.random.below(limit)
  }

  private pick<T>(items: readonly T[]): T {
    return this.random.pick(items)
  }

  private async act(): Promise<void> {
    const roll = this.below(100)
    const editor = this.pick(this.editors)
    if (roll < 45) this.edit(editor)
    else if (roll < 60) this.append()
    else if (roll < 66) {
      this.note(`cut ${editor.label}`)
      editor.proxy.cut()
    } else if (roll < 70) {
      this.note(`deafen ${editor.label}`)
      editor.proxy.deafen()
    } else if (roll < 74) {
      this.note(`${editor.proxy.target === null ? 'back' : 'offline'}: ${editor.label}`)
      editor.proxy.target = editor.proxy.target === null ? this.port : null
      editor.proxy.cut()
    } else if (roll < 82) {
      this.note('the next commit is ambiguous')
      this.fail('ambiguous')
    } else if (roll < 88) {
      const times = 1 + this.below(3)
      this.note(`the next ${times} commits fail`)
      for (let i = 0; i < times; i++) this.fail('before')
    } else if (roll < 92) await this.commitElsewhere()
    else if (roll < 94) await this.crash()
    else await this.someSaved()
  }

  /** Only a few in a row: the journal's backoff doubles with each, and would use up the time of the test. */
  private fail(fault: CommitFault): void {
    if (this.faulty !== null && this.faulty.faults.length < 4) this.faulty.faults.push(fault)
  }

  private edit({ label, doc, room }: Editor): void {
    const array = doc().getArray<string>('tokens')
    const added: string[] = []
    const removed: string[] = []
    doc().transact(() => {
      for (let times = 1 + this.below(3); times > 0; times--) {
        if (array.length > 4 && this.below(5) === 0) {
          const at = this.below(array.length)
          removed.push(array.get(at))
          array.delete(at)
        } else {
          const token = `${label}:${this.nextToken++}`
          array.insert(this.below(array.length + 1), [token])
          added.push(token)
        }
      }
    })
    for (const token of added) this.inserted.add(token)
    for (const token of removed) this.deleted.add(token)
    this.note(`${label} adds ${added.join(' ')}${removed.length > 0 ? `, deletes ${removed.join(' ')}` : ''}`)
    const check = (): void => this.checkSaved(label, added, removed)
    room?.saved().then(check, (error: unknown) => this.problem(`${label}: not saved: ${String(error)}`))
    const peer = this.editors.find((editor) => editor.label === label)?.peer
    if (peer !== null && peer !== undefined) this.checks.set(`${label} ${peer.lastNumber}`, check)
  }

  /** What to check once a change of a peer is acknowledged. */
  private readonly checks = new Map<string, () => void>()

  private append(): void {
    const { label, peer } = this.pick(this.editors.filter((editor) => editor.peer !== null))
    if (peer === null) return
    const payload = `message ${this.nextToken++}`
    const n = peer.append('say', payload)
    this.note(`${label} says ${payload} as ${n}`)
    const messages = this.appended.get(peer) ?? new Map<number, string>()
    this.appended.set(peer, messages.set(n, payload))
  }

  /** Another node commits: this one knows nothing of it until its own next commit shows the hole. */
  private async commitElsewhere(): Promise<void> {
    total.foreign++
    const row = await store.openRoom('', this.name)
    const token = `elsewhere:${this.nextToken++}`
    const before = Y.encodeStateVector(this.foreignDoc)
    this.foreignDoc.getArray<string>('tokens').insert(0, [token])
    const common = { roomId: row.id, epoch: row.epoch, author: null }
    const clientId = 'f'.repeat(32)
    const entries = [
      {
        ...common,
        kind: 'update' as const,
        clientId: null,
        clientSeq: null,
        name: null,
        payload: Y.encodeStateAsUpdate(this.foreignDoc, before),
      },
      {
        ...common,
        kind: 'message' as const,
        clientId,
        clientSeq: ++this.foreignNumber,
        name: 'elsewhere',
        payload: encodeValue(token),
      },
    ]
    this.ledger.record(entries, await store.commit(entries))
    this.inserted.add(token)
    this.note(`another node commits ${token}`)
    // It comes to light with a commit of this node.
    this.edit(this.pick(this.editors))
  }

  private async crash(): Promise<void> {
    total.restarts++
    this.note('the server dies')
    const online = this.editors.filter(({ proxy }) => proxy.target !== null)
    for (const { proxy } of online) {
      proxy.target = null
      proxy.cut()
    }
    this.faulty?.kill()
    await this.server?.close()
    await this.startServer()
    for (const { proxy } of online) proxy.target = this.port
    this.note('the server is back')
  }

  /** Time passes until somebody has saved. */
  private async someSaved(): Promise<void> {
    const online = this.editors.filter(({ proxy }) => proxy.target !== null)
    if (online.length === 0) return
    const editor = this.pick(online)
    // It may be deaf, and would wait for its heartbeat.
    editor.proxy.cut()
    this.note(`wait for ${editor.label}`)
    // What it waits for may be with one who is away: then it is enough that it is back.
    const away = this.editors.some(({ proxy }) => proxy.target === null)
    await this.until(
      () => editor.live() && (away || editor.unsaved() === 0 || this.anyDeaf()),
      `${editor.label} is back`,
    )
  }

  private anyDeaf(): boolean {
    return this.editors.some((editor) => !editor.live())
  }

  private checkSaved(label: string, added: readonly string[], removed: readonly string[]): void {
    if (this.room === null) return
    for (const token of added) {
      if (!this.room.seen.has(token) && !this.deleted.has(token))
        this.problem(`I1: ${token} of ${label} was acknowledged and cannot be read from what is committed`)
    }
    for (const token of removed) {
      if (this.room.has(token))
        this.problem(`I1: the deletion of ${token} was acknowledged and is not committed`)
    }
  }

  private room: LedgerRoom | null = null

  private async ledgerRoom(): Promise<LedgerRoom> {
    const { id } = await store.openRoom('', this.name)
    return this.ledger.room(id)
  }

  private async checkLog(ledger: LedgerRoom): Promise<void> {
    const row = await store.openRoom('', this.name)
    const events = await store.readEvents(row.id, 0, row.headSeq, 1e6)
    if (events.some((event, i) => event.seq !== i + 1) || events.length !== row.headSeq)
      this.problem('I2: the log is not dense')
    if (ledger.events.size !== events.length)
      this.problem(`the ledger has ${ledger.events.size} events, the log ${events.length}`)
    const messages = events.filter(({ kind }) => kind === 'message')
    for (const { peer, label } of this.editors) {
      if (peer === null) continue
      const clientId = Buffer.from(peer.clientId).toString('hex')
      const own = messages.filter((event) => event.clientId === clientId)
      const expected = [...(this.appended.get(peer)?.keys() ?? [])]
      const stored = own.map(({ clientSeq }) => clientSeq)
      if (stored.join() !== expected.join())
        this.problem(`I2: ${label} appended ${expected.join()}, and the log has ${stored.join()}`)
      for (const [n, seq] of this.ackedSeqs.get(peer) ?? []) {
        const event = events[seq - 1]
        const isMessage = this.appended.get(peer)?.has(n) === true
        if (isMessage && (event?.clientId !== clientId || event.clientSeq !== n))
          this.problem(`P22: ${label} was told that ${n} is ${seq}, which it is not`)
      }
      this.checkChangeOrder(label, clientId, events)
    }
    const due = (start: number): string =>
      messages
        .filter(({ seq }) => seq > start)
        .map(({ seq }) => String(seq))
        .join()
    for (const { peer, label } of this.editors) {
      if (peer === null) continue
      const got = (): string => peer.events.map(({ seq }) => String(seq)).join()
      const expected = due(peer.start ?? 0)
      try {
        await this.until(() => got() === expected, `${label} has all messages`)
      } catch {
        this.problem(
          `P28: ${label} got messages ${got()} after ${peer.start ?? 0}, and the log has ${expected}`,
        )
      }
    }
  }

  /** Updates and messages of a client never change places. A resent update may stand twice; its first place counts. */
  private checkChangeOrder(label: string, clientId: string, events: readonly StoredEvent[]): void {
    let highest = 0
    const seen = new Set<number>()
    for (const event of events) {
      if (event.clientId !== clientId || event.clientSeq === null || seen.has(event.clientSeq)) continue
      seen.add(event.clientSeq)
      if (event.clientSeq < highest)
        this.problem(`change ${event.clientSeq} of ${label} is in the log after ${highest}`)
      highest = Math.max(highest, event.clientSeq)
    }
  }

  private async checkContent(ledger: LedgerRoom): Promise<void> {
    const expected = [...this.inserted]
      .filter((token) => !this.deleted.has(token))
      .sort()
      .join()
    if (tokensOf(ledger.doc).sort().join() !== expected)
      this.problem(
        `what is committed is not every change once:\n${tokensOf(ledger.doc).sort().join()}\n${expected}`,
      )
    // A server that knows nothing but the database.
    const unsaved = await this.server?.close()
    if (unsaved !== 0) this.problem(`the server closed with ${unsaved ?? -1} changes unsaved`)
    await this.startServer()
    const client = createClient({ url: `ws://127.0.0.1:${this.port}` })
    this.clients.push(client)
    const fresh = client.room(this.name)
    await fresh.synced()
    if (tokensOf(fresh.doc).join() !== tokensOf(ledger.doc).join())
      this.problem('a fresh load from the store is not what is committed')
  }

  private async startServer(): Promise<void> {
    const pause = async (): Promise<void> => {
      for (let turns = this.below(4); turns > 0; turns--) await turn()
    }
    this.faulty = new FaultyStore(store, this.ledger, pause)
    const logger = pino({ level: 'error' }, { write: (line: string) => this.logged(line) })
    this.server = await createServer({
      port: 0,
      playground: false,
      docWorkers: 1,
      shutdownTimeoutMs: 100,
      drainMs: 0,
      roomIdleMs: 20,
      compactBytes: 1_024,
      journalMaxBytes: this.journalMaxBytes,
      logger,
      store: this.faulty,
    })
    this.room = await this.ledgerRoom()
  }

  private logged(line: string): void {
    const { msg, level } = JSON.parse(line) as { msg: string; level: number }
    // Reads and unsaved changes of a server that dies are meant to fail.
    if (level < 50 || msg.includes('deadline passed') || msg.includes('loading the room')) return
    if (msg.includes('reading a hole') || msg.includes('compaction')) return
    this.faults.push(line)
  }

  private async sdk(label: string): Promise<Editor> {
    const proxy = await TcpProxy.start(this.port)
    const client = createClient({
      url: `ws://127.0.0.1:${proxy.port}`,
      // A connection that goes deaf while it is made is given up soon.
      timing: { retryBase: 20, retryMax: 60, connectTimeout: 300, welcomeTimeout: 300 },
      // The delays of a refused join or change are fixed and long: a twentieth of them.
      random: () => this.random.next() / 20,
      logger: { warn: (text) => this.problem(text), error: (text) => this.problem(text) },
    })
    this.clients.push(client)
    const room = client.room(this.name)
    let connections = 0
    client.on('status', ({ status }) => {
      if (status === 'connected' && ++connections > 1) total.reconnects++
    })
    room.on('rejected', ({ n, code }) => this.problem(`${label}: change ${n} was refused: ${code}`))
    return {
      label,
      proxy,
      peer: null,
      room,
      doc: () => room.doc,
      unsaved: () => room.unsaved,
      live: () => room.status === 'live',
    }
  }

  private async protocolPeer(label: string): Promise<Editor> {
    const proxy = await TcpProxy.start(this.port)
    const acked = new Map<number, number>()
    const peer = new WeftPeer({
      url: () => `ws://127.0.0.1:${proxy.port}`,
      room: this.name,
      retryDelay: () => 2 + this.below(20),
      acked: (n, seq) => {
        if (seq !== null) {
          acked.set(n, seq)
          if (this.room?.events.has(seq) !== true)
            this.problem(`I1: ${label} ${n} was acknowledged before its commit`)
        }
        this.checks.get(`${label} ${n}`)?.()
      },
    })
    this.ackedSeqs.set(peer, acked)
    return {
      label,
      proxy,
      peer,
      room: null,
      doc: () => peer.doc,
      unsaved: () => peer.unsaved,
      live: () => peer.live,
    }
  }

  private async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + settleMs
    while (!condition()) {
      if (Date.now() > deadline) {
        for (const editor of this.editors)
          this.note(
            `${editor.label}: live ${editor.live()}, unsaved ${editor.unsaved()}, ${tokensOf(editor.doc()).join()}`,
          )
        throw new Error(`not within ${settleMs} ms: ${what}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
}

const runSeed = async (seed: number): Promise<void> => {
  const world = new World(seed)
  let failure: unknown = null
  try {
    await world.start()
    await world.run()
    await world.finish()
  } catch (error) {
    failure = error
    world.note(`FAILED ${String(error)}`)
  }
  await world.dispose()
  if (failure !== null || world.problems.length > 0)
    throw new Error(world.report(seed), failure === null ? {} : { cause: failure })
}

const seeds = onlySeed === undefined ? Array.from({ length: seedCount }, (_, i) => i + 1) : [Number(onlySeed)]

describe('I1, I2, I4: any interleaving of cuts, retries, ambiguous commits, restarts and holes', () => {
  test.each(seeds)('seed %i', runSeed)

  test('the runs did what they are for', () => {
    // A few runs alone need not meet everything.
    const few = onlySeed === undefined && seedCount >= 10 ? seedCount / 4 : 0
    const missing = Object.entries(total).filter(([, count]) => count < few)
    expect(missing).toEqual([])
  })
})
