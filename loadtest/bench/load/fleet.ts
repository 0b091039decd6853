import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Target } from '../servers/target.js'
import { joinMember } from './join-member.js'
import type { Member } from './member.js'
import { pace } from './pace.js'
import { Receiver } from './receiver.js'
import { Tally } from './tally.js'
import { Typist } from './typist.js'

export interface FleetOptions {
  readonly rooms: number
  readonly membersPerRoom: number
  /** The first members of each room type. Several numbers: one for each room in turn. */
  readonly writersPerRoom: number | readonly [number, ...number[]]
}

/** Nodes of a cluster that clients of one dialect connect to. */
export type Nodes = readonly [Target, ...Target[]]

/** What a fleet saw while it typed at a rate. */
export interface LoadResult {
  readonly sent: number
  readonly delivered: number
  readonly frames: number
  readonly lost: number
  readonly duplicates: number
  readonly acked: number
  readonly nacked: number
  /** From the first keystroke until everything had arrived (or the wait for it ended), in seconds. */
  readonly seconds: number
  /** Sent per second while typing. */
  readonly sentRate: number
  readonly lateMs: number
  readonly p50: number
  readonly p99: number
  /** Of deliveries by another node than the writer's, which `p50` and `p99` leave out; 0 where there is one node. */
  readonly crossP50: number
  readonly crossP99: number
  readonly ackP50: number
  readonly ackP99: number
}

/** Connections that are being made at once. */
const connectBatch = 50
const settleTimeoutMs = 10_000

/** Clients in rooms of one server, or of a cluster's nodes, some of which type. */
export class Fleet {
  readonly tally: Tally
  private readonly targets: Nodes
  private readonly options: FleetOptions
  private readonly members: readonly Member[]
  private readonly writers: readonly Member[]
  private readonly others: number
  private readonly acks: boolean
  private turn = 0
  /** Of each member: awareness ids and clocks. */
  private readonly cursors: { readonly client: number; clock: number }[]
  private shown = 0

  private constructor(targets: Nodes, options: FleetOptions, tally: Tally, members: readonly Member[]) {
    this.targets = targets
    this.options = options
    this.tally = tally
    this.members = members
    this.writers = members.filter((member) => member.typist !== null)
    this.cursors = members.map(() => ({ client: randomBytes(4).readUInt32BE(), clock: 0 }))
    this.others = options.membersPerRoom - 1
    this.acks = targets[0].dialect === 'weft'
  }

  /**
   * Connects everybody to new rooms. Rejects when one cannot join.
   * @param target several are nodes of a cluster: the members of a room are spread over them, each room's first beginning at
   * the next node
   */
  static async connect(target: Target | Nodes, options: FleetOptions): Promise<Fleet> {
    const targets: Nodes = 'server' in target ? [target] : target
    const tally = new Tally()
    const name = `bench-${randomBytes(6).toString('hex')}`
    // Few writers type fast: theirs are the longest queues.
    const writers = [options.writersPerRoom].flat()
    const window = options.rooms * Math.max(...writers) > 16 ? 1 << 12 : 1 << 18
    const joins: (() => Promise<Member>)[] = []
    for (let room = 0; room < options.rooms; room++) {
      const typists = Array.from(
        { length: writers[room % writers.length]! },
        () => new Typist(randomBytes(4).readUInt32BE(), window),
      )
      const nodeOf = (member: number): Target => targets[(room + member) % targets.length]!
      for (let i = 0; i < options.membersPerRoom; i++) {
        const node = nodeOf(i)
        const typist = typists[i] ?? null
        const receiver = new Receiver(tally)
        for (const [writer, other] of typists.entries())
          if (other !== typist) receiver.expect(other, nodeOf(writer) !== node)
        const member = { port: node.port, room: `${name}-${room}`, typist, receiver, tally }
        joins.push(() => joinMember(node, member))
      }
    }
    const members: Member[] = []
    try {
      for (let i = 0; i < joins.length; i += connectBatch) {
        const batch = await Promise.allSettled(joins.slice(i, i + connectBatch).map((join) => join()))
        for (const result of batch) if (result.status === 'fulfilled') members.push(result.value)
        for (const result of batch) if (result.status === 'rejected') throw result.reason
      }
    } catch (error) {
      for (const member of members) member.close()
      throw error
    }
    return new Fleet(targets, options, tally, members)
  }

  /** The same clients, in new rooms. */
  async renew(): Promise<Fleet> {
    this.close()
    return Fleet.connect(this.targets, this.options)
  }

  /** Types at a rate, the writers in turn, and waits until everything has arrived. */
  async load(updatesPerSecond: number, seconds: number): Promise<LoadResult> {
    const { tally } = this
    // What an earlier, too high rate left over must not count for this one.
    await this.settle()
    tally.reset()
    const start = performance.now()
    const kept = await pace({ rate: updatesPerSecond, seconds, fire: (count) => this.type(count) })
    await this.settle()
    const took = (performance.now() - start) / 1000
    return {
      sent: tally.sent,
      delivered: tally.delivered,
      frames: tally.frames,
      lost: tally.expected - tally.delivered,
      duplicates: tally.duplicates,
      acked: tally.acked,
      nacked: tally.nacked,
      seconds: took,
      sentRate: tally.sent / kept.seconds,
      lateMs: kept.lateMs,
      p50: tally.latency.percentile(0.5),
      p99: tally.latency.percentile(0.99),
      crossP50: tally.crossLatency.percentile(0.5),
      crossP99: tally.crossLatency.percentile(0.99),
      ackP50: tally.ackLatency.percentile(0.5),
      ackP99: tally.ackLatency.percentile(0.99),
    }
  }

  /** Every member shows where its cursor is, in turn, so many times a second in all. */
  async show(presencesPerSecond: number, seconds: number): Promise<void> {
    await pace({
      rate: presencesPerSecond,
      seconds,
      fire: (count) => {
        for (let i = 0; i < count; i++) {
          const cursor = this.cursors[this.shown % this.cursors.length]!
          cursor.clock++
          this.members[this.shown % this.members.length]!.show(cursor)
          this.shown++
        }
      },
    })
  }

  /** The server has ended connections: what is sent now cannot arrive everywhere. */
  get isBroken(): boolean {
    return this.tally.lostConnections > 0
  }

  private type(count: number): void {
    const { writers, tally } = this
    tally.sent += count
    tally.expected += count * this.others
    const each = Math.floor(count / writers.length)
    const more = count % writers.length
    for (let i = 0; i < writers.length && (each > 0 || i < more); i++) {
      writers[this.turn]!.type(each + (i < more ? 1 : 0))
      this.turn = (this.turn + 1) % writers.length
    }
  }

  private async settle(): Promise<void> {
    const { tally } = this
    const deadline = performance.now() + settleTimeoutMs
    while (tally.delivered < tally.expected || (this.acks && tally.acked + tally.nacked < tally.sent)) {
      if (performance.now() > deadline || tally.lostConnections > 0) return
      await sleep(2)
    }
  }

  close(): void {
    for (const member of this.members) member.close()
  }
}
