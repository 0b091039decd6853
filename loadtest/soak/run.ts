import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench } from '../bench/bench.js'
import { Fleet } from '../bench/load/fleet.js'
import { joinRoom, settleJoins } from '../bench/load/joiner.js'
import { scrape } from '../bench/measure/metrics.js'
import { residentBytes } from '../bench/measure/proc.js'
import type { Target } from '../bench/servers/target.js'
import type { Sample } from './trend.js'

/** Of rooms that are all typed in as much all would be compacted at once, each quarter of an hour. */
const shape = { rooms: 50, membersPerRoom: 4, writersPerRoom: [1, 2, 3] as const }
const updatesPerSecond = 200
/** Seconds of typing between two looks at what the server holds. */
const stretchSeconds = 1.5
/** Visitors in each stretch: they open rooms, get their state and leave. */
const visitors = 20
const visitedRooms = 40
const goneTimeoutMs = 5_000
/** A slow machine takes longer, rather than tell nothing. */
const leastSamples = 16
/** Full collections that a run asks for. Between them the server collects as it does elsewhere. */
const collectionsPerRun = 20

export interface Soaked {
  readonly samples: readonly Sample[]
  readonly sent: number
  readonly lost: number
  readonly visits: number
  readonly failedVisits: number
}

/**
 * People type, over both protocols, while others come and go; in between it is noted what the server holds. Everything typed has
 * arrived and is acknowledged at that moment.
 * @param collectorPort of the collector in the servers of `bench`
 */
export const soak = async (
  bench: Bench,
  collectorPort: number,
  minutes: number,
  note: (sample: Sample) => void,
  stop: AbortSignal,
): Promise<Soaked> => {
  const server = await bench.weft()
  const fleets = [await Fleet.connect(server.weft, shape), await Fleet.connect(server.yjs, shape)]
  const samples: Sample[] = []
  let [sent, lost, visits, failedVisits] = [0, 0, 0, 0]
  let [heap, collections] = [0, 0]
  const start = performance.now()
  while ((performance.now() - start < minutes * 60_000 || samples.length < leastSamples) && !stop.aborted) {
    for (const fleet of fleets) {
      const target = fleet === fleets[0] ? server.weft : server.yjs
      const [typed, failed] = await Promise.all([
        fleet.load(updatesPerSecond, stretchSeconds),
        visit(target, visits),
      ])
      sent += typed.sent
      lost += typed.lost
      visits += visitors
      failedVisits += failed
    }
    const at = performance.now() - start
    const held = await look(server.weft, fleets.length)
    if (at >= (collections * minutes * 60_000) / collectionsPerRun) {
      heap = await collectedHeap(collectorPort)
      collections++
    }
    const sample = { at: at / 1000, heap, ...held }
    samples.push(sample)
    note(sample)
  }
  for (const fleet of fleets) fleet.close()
  await server.stop()
  return { samples, sent, lost, visits, failedVisits }
}

/** @returns how many were not let in */
const visit = async (target: Target, from: number): Promise<number> => {
  const joins = Array.from({ length: visitors }, (_, i) =>
    joinRoom({ target, room: `visited ${(from + i) % visitedRooms}`, known: null }),
  )
  const { joined, failed } = await settleJoins(joins)
  for (const visitor of joined) visitor.close()
  return failed
}

/** Collects, so that what is left is what is held. @returns bytes of JavaScript's heap */
const collectedHeap = async (port: number): Promise<number> =>
  Number(await (await fetch(`http://127.0.0.1:${port}/`)).text())

/** Waits until the visitors are gone, and notes what is held beside the heap. */
const look = async (target: Target, fleets: number): Promise<Omit<Sample, 'at' | 'heap'>> => {
  const staying = fleets * shape.rooms * shape.membersPerRoom
  const deadline = performance.now() + goneTimeoutMs
  for (;;) {
    const metrics = await scrape(target.port)
    const of = (name: string): number => metrics.get(name) ?? NaN
    const connections = [...metrics]
      .filter(([name]) => name.startsWith('weft_connections{') || name === 'weft_connections')
      .reduce((sum, [, value]) => sum + value, 0)
    if (connections > staying && performance.now() < deadline) {
      await sleep(20)
      continue
    }
    return {
      rss: residentBytes(target.server.pid),
      descriptors: of('weft_process_open_fds'),
      handles: of('weft_nodejs_active_handles_total'),
      connections,
      rooms: of('weft_rooms'),
    }
  }
}
