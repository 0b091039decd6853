import { Gaps, type Rhythm } from '../pure/rhythm.js'
import type { Publisher } from '../pure/receipts.js'
import { Typist } from '../pure/typist.js'
import { Member } from './member.js'
import { metrics } from './metrics.js'
import { common, makeCounts, tokenOf } from './setup.js'

/** Of the Yjs clients of typists: 32 bits, as those of real ones. */
const firstClient = 0x4000_0000

/** Resolves after so many milliseconds. */
export const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const pollMs = 50
const flushMs = 1000

export interface RoomOptions {
  readonly name: string
  /** The number of its first member among those of the run. */
  readonly firstId: number
  readonly typists: number
  /** Members that do not type. */
  readonly readers: number
  /** How many of its members read presence. */
  readonly observers?: number
  /** Publishers elsewhere. */
  readonly publishers?: readonly Publisher[]
}

/** The Yjs client of a typist, by the member's number. */
export const clientOf = (id: number): number => firstClient + id

/** The members that one VU takes care of. */
export class Crowd {
  readonly members: Member[] = []
  readonly counts = makeCounts()
  private readonly flushing = setInterval(() => this.counts.flush(), flushMs)

  /** Adds a room whose members are spread over the servers in turn. They connect with {@link join}. */
  addRoom(options: RoomOptions): Member[] {
    const { name, firstId, typists, readers, observers = 0, publishers = [] } = options
    const members = Array.from({ length: typists + readers }, (_, i) => {
      const id = firstId + i
      return new Member({
        protocol: common.protocol,
        url: common.urls[id % common.urls.length]!,
        room: name,
        token: tokenOf(id),
        counts: this.counts,
        id,
        typist: i < typists ? new Typist(clientOf(id)) : null,
        observes: i < observers,
      })
    })
    const typing = members.flatMap(({ typist }) => typist ?? [])
    for (const member of members) {
      for (const publisher of [...publishers, ...typing])
        if (publisher !== member.typist) member.receipts.expect(publisher)
    }
    this.members.push(...members)
    return members
  }

  /** Connects all members, at the VU's part of `JOIN_RATE`, and waits until all are synced, for at most so long. */
  async join(patienceMs: number): Promise<void> {
    let next = 0
    const perSecond = common.joinRate / common.vus
    await paced(perSecond, this.members.length, () => this.members[next++]!.connect())
    await this.until(() => this.members.every(({ isSynced }) => isSynced), patienceMs)
  }

  /** Members that type. */
  get typing(): Member[] {
    return this.members.filter(({ typist }) => typist !== null)
  }

  /** Members that do not type. */
  get reading(): Member[] {
    return this.members.filter(({ typist }) => typist === null)
  }

  /** Every typist types at a steady rate. */
  async typeSteadily(perSecond: number, seconds: number): Promise<void> {
    const updates = Math.ceil(perSecond * seconds)
    await Promise.all(this.typing.map((member) => paced(perSecond, updates, () => member.press())))
  }

  /** Every typist types in a recorded rhythm, from a place of its own. @param speed 2 halves all gaps */
  async typeInRhythm(rhythm: Rhythm, speed: number, seconds: number): Promise<void> {
    const until = Date.now() + seconds * 1000
    await Promise.all(this.typing.map((member) => typeInRhythm(member, rhythm, speed, until)))
  }

  /** Waits until everything has arrived and is acknowledged, for at most `SETTLE`. */
  async settle(): Promise<void> {
    await this.until(
      () => this.members.every((member) => member.missing() === 0 && member.unacked() === 0),
      common.settleSeconds * 1000,
    )
  }

  /** Ends the run of this VU: settles, counts what is missing, and closes all connections. */
  async finish(): Promise<void> {
    await this.settle()
    const sum = (count: (member: Member) => number): number =>
      this.members.reduce((total, member) => total + count(member), 0)
    metrics.lost.add(this.missing())
    metrics.unacked.add(sum((member) => member.unacked()))
    metrics.unsynced.add(sum((member) => (member.everSynced ? 0 : 1)))
    metrics.refused.add(0)
    metrics.closes.add(0)
    metrics.reconnects.add(0)
    for (const member of this.members) member.stop()
    clearInterval(this.flushing)
    this.counts.flush()
  }

  /** Updates that should be with the members and are not. */
  missing(): number {
    return this.members.reduce((total, member) => total + member.missing(), 0)
  }

  async until(condition: () => boolean, patienceMs: number): Promise<void> {
    const deadline = Date.now() + patienceMs
    while (!condition() && Date.now() < deadline) await wait(pollMs)
  }
}

/** Calls so often a second, on the clock, whatever happens meanwhile, `total` times in all. */
export const paced = async (perSecond: number, total: number, call: () => void): Promise<void> => {
  const start = Date.now()
  let lateMs = 0
  for (let done = 0; done < total;) {
    const due = Math.min(total, 1 + Math.floor(((Date.now() - start) / 1000) * perSecond))
    if (due > done) lateMs = Math.max(lateMs, Date.now() - start - (done / perSecond) * 1000)
    for (; done < due; done++) call()
    if (done < total) await wait(Math.min(1000, Math.max(1, start + (done / perSecond) * 1000 - Date.now())))
  }
  metrics.paceLate.add(lateMs)
}

/** Types in a recorded rhythm until the time has come. */
const typeInRhythm = async (member: Member, rhythm: Rhythm, speed: number, until: number): Promise<void> => {
  const gaps = new Gaps(rhythm, Math.random(), speed)
  for (;;) {
    const gap = gaps.next()
    if (Date.now() + gap >= until) return wait(Math.max(0, until - Date.now()))
    await wait(gap)
    member.press()
  }
}
