/* One run of the ordering test: a server that dies and comes back, five editors of one room, and what must be true at the end. */
import { createClient, type Client } from '@weft/client'
import { pino } from 'pino'
import type * as Y from 'yjs'
import { createServer, type WeftServer } from '../index.js'
import type { Store } from '../store/index.js'
import { FaultyStore, Ledger, type CommitFault, type LedgerRoom } from '../testing/faulty-store.js'
import { Random } from '../testing/random.js'
import type { WeftPeer } from '../testing/weft-peer.js'
import { ForeignNode } from './foreign-node.js'
import { peerEditor, sdkEditor, type Editor, type EditorHost } from './ordering-editors.js'
import { logProblems } from './ordering-log.js'
import { shortLived } from './short-lived.js'

const steps = 70
const settleMs = 15_000

/** What the runs exercised, counted. */
export class Exercised {
  reconnects = 0
  resends = 0
  retries = 0
  ambiguous = 0
  failed = 0
  duplicates = 0
  restarts = 0
  foreign = 0
  cuts = 0
  repeatedEvents = 0
}

const tokensOf = (doc: Y.Doc): string[] => doc.getArray<string>('tokens').toArray()

/** Lets sockets and timers have their turn. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export class OrderingWorld implements EditorHost {
  readonly random: Random
  readonly log: string[] = []
  readonly problems: string[] = []
  readonly ledger = new Ledger()
  readonly inserted = new Set<string>()
  readonly deleted = new Set<string>()
  readonly editors: Editor[] = []
  /** Numbers of appended messages by peer. */
  readonly appended = new Map<WeftPeer, Map<number, string>>()
  /** Seqs of acknowledged changes by label of the peer. */
  private readonly ackedSeqs = new Map<string, Map<number, number>>()
  private readonly store: Store
  private readonly total: Exercised
  private readonly name: string
  /** That loads what is committed. */
  private fresh: Client | null = null
  private readonly elsewhere = new ForeignNode()
  private readonly faults: unknown[] = []
  private server: WeftServer | null = null
  private faulty: FaultyStore | null = null
  private nextToken = 0
  private journalMaxBytes = 0

  constructor(seed: number, store: Store, total: Exercised) {
    this.store = store
    this.total = total
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
    for (let i = 0; i < 3; i++) this.editors.push(await sdkEditor(this.port, this.name, `sdk${i}`, this))
    for (let i = 0; i < 2; i++) this.editors.push(await peerEditor(this.port, this.name, `peer${i}`, this))
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
      this.total.reconnects += peer.joins - 1
      this.total.resends += peer.resends
      this.total.retries += peer.retries
      this.total.repeatedEvents += peer.repeatedEvents
    }
    for (const fault of this.faults) this.problem(`the server logged a fault: ${String(fault)}`)
    this.total.ambiguous += this.ledger.ambiguous
    this.total.failed += this.ledger.failed
    this.total.duplicates += this.ledger.duplicates
    for (const { proxy } of this.editors) this.total.cuts += proxy.cuts
  }

  async dispose(): Promise<void> {
    for (const editor of this.editors) editor.close()
    this.fresh?.close()
    for (const { proxy } of this.editors) await proxy.close()
    await this.server?.close()
  }

  report(seed: number): string {
    return `seed ${seed} (WEFT_SEED=${seed})\n${this.problems.join('\n')}\nlog:\n${this.log.slice(-120).join('\n')}`
  }

  reconnected(): void {
    this.total.reconnects++
  }

  acked(label: string, n: number, seq: number | null): void {
    if (seq !== null) {
      const acked = this.ackedSeqs.get(label) ?? new Map<number, number>()
      this.ackedSeqs.set(label, acked.set(n, seq))
      if (this.room?.events.has(seq) !== true)
        this.problem(`I1: ${label} ${n} was acknowledged before its commit`)
    }
    this.checks.get(`${label} ${n}`)?.()
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
    this.total.foreign++
    const row = await this.store.openRoom('', this.name)
    const token = `elsewhere:${this.nextToken++}`
    const entries = this.elsewhere.change(row, token)
    this.ledger.record(entries, await this.store.commit(entries))
    this.inserted.add(token)
    this.note(`another node commits ${token}`)
    // It comes to light with a commit of this node.
    this.edit(this.pick(this.editors))
  }

  private async crash(): Promise<void> {
    this.total.restarts++
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
    const { id } = await this.store.openRoom('', this.name)
    return this.ledger.room(id)
  }

  private async checkLog(ledger: LedgerRoom): Promise<void> {
    const row = await this.store.openRoom('', this.name)
    const events = await this.store.readEvents(row.id, 0, row.headSeq, 1e6)
    if (events.some((event, i) => event.seq !== i + 1) || events.length !== row.headSeq)
      this.problem('I2: the log is not dense')
    if (ledger.events.size !== events.length)
      this.problem(`the ledger has ${ledger.events.size} events, the log ${events.length}`)
    const messages = events.filter(({ kind }) => kind === 'message')
    for (const { peer, label } of this.editors) {
      if (peer === null) continue
      const clientId = Buffer.from(peer.clientId).toString('hex')
      const appended = this.appended.get(peer) ?? new Map<number, string>()
      const acked = this.ackedSeqs.get(label) ?? new Map<number, number>()
      for (const line of logProblems({ label, clientId, appended, acked }, events)) this.problem(line)
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
    this.fresh = client
    const fresh = client.room(this.name)
    await fresh.synced()
    if (tokensOf(fresh.doc).join() !== tokensOf(ledger.doc).join())
      this.problem('a fresh load from the store is not what is committed')
  }

  private async startServer(): Promise<void> {
    const pause = async (): Promise<void> => {
      for (let turns = this.below(4); turns > 0; turns--) await turn()
    }
    this.faulty = new FaultyStore(this.store, this.ledger, pause)
    const logger = pino({ level: 'error' }, { write: (line: string) => this.logged(line) })
    this.server = await createServer({
      ...shortLived,
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
