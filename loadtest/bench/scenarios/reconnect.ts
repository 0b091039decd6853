import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench, PeerServer } from '../bench.js'
import type { LargeDocument } from '../data/large-document.js'
import { type Known, joinRoom, settleJoins } from '../load/joiner.js'
import { seedPeer } from '../load/seed.js'
import { loopDelayMaxMs } from '../measure/metrics.js'
import { percentile } from '../measure/statistics.js'
import { measure } from '../measure/window.js'
import { syncKey, syncShares } from '../report/plots.js'
import { type Goal, type Row, type Sample, atMost } from '../report/result.js'
import type { OwnTarget } from '../servers/target.js'
import { joinColumns } from './join.js'
import { largeRoom, quiet, startLargeTargets } from './large-targets.js'
import { type Contender, type Measured, type Scenario, alternate } from './scenario.js'

const clients = 500
const atOnce = `${clients} clients at once, just restarted`
const spreadMs = 1000

/** Everybody comes back after a restart, with the large document open and nothing missed. */
export const reconnect: Scenario = {
  name: 'reconnect',
  title: 'clients with the large document come back',
  async run(bench: Bench) {
    const { document, bare, weft, peers, notes } = await startLargeTargets(bench)
    const first = weft ? await joinRoom({ target: weft.weft, room: largeRoom, known: null }) : null
    first?.close()
    if (weft && first?.frame == null) throw new Error('the first join brought no JOINED')
    const known: Known = {
      epoch: first?.frame?.epoch ?? 0,
      after: first?.frame?.head ?? 0,
      vector: document.vector,
      answer: document.inSyncUpdate,
    }
    await weft?.stop()
    await bare?.stop()
    for (const peer of peers) await peer.stop()
    const rows: Row[] = []
    for (const [point, spread] of [
      [atOnce, 0],
      [`${clients} clients within 1 s, just restarted`, spreadMs],
    ] as const) {
      const contenders: Contender[] = []
      if (bare) {
        contenders.push({
          name: 'bare',
          measure: async () => storm(await bench.bare(document.state), known, spread),
        })
      }
      for (const dialect of ['weft', 'yjs'] as const) {
        const name = dialect === 'weft' ? 'weft' : 'weft-yjs'
        if (!weft || !bench.wants(name)) continue
        contenders.push({
          name,
          measure: async () => {
            const server = await bench.weft({ data: weft.data })
            return storm({ ...server[dialect], stop: server.stop }, known, spread)
          },
        })
      }
      for (const peer of spread === 0 ? [] : peers) {
        contenders.push({ name: peer.name, measure: () => peerStorm(bench, peer, document, known, spread) })
      }
      rows.push(...(await alternate(bench, point, contenders, 'cpuEach')))
    }
    return {
      scenario: reconnect.name,
      title: reconnect.title,
      columns: joinColumns,
      rows,
      goals: goals(rows),
      notes,
    }
  },
}

/**
 * The same on a server of others. One that has a store reads the document from there; the others are given it again, and
 * somebody stays in the room until the clients are back: more than they could do by themselves.
 */
const peerStorm = async (
  bench: Bench,
  { name, databaseUrl }: PeerServer,
  document: LargeDocument,
  known: Known,
  spread: number,
): Promise<Measured> => {
  const server = await bench.peer(name, databaseUrl ?? undefined)
  if (databaseUrl === null) await seedPeer(server, largeRoom, document.state)
  return storm(server, known, spread)
}

/** All come back, over so many ms; then the server is stopped. */
const storm = async (target: OwnTarget, known: Known, spread: number): Promise<Measured> => {
  try {
    await loopDelayMaxMs(target.metricsPort)
    const { result, cost } = await measure(target, async () => {
      const start = performance.now()
      const inSync: number[] = []
      const joins = Array.from({ length: clients }, async (_, i) => {
        if (spread > 0) await sleep((spread * i) / clients)
        const joined = await joinRoom({ target, room: largeRoom, known })
        inSync.push(performance.now() - start)
        return joined
      })
      const { joined, failed, reasons } = await settleJoins(joins)
      const allMs = performance.now() - start
      // The clients' answers, all deletes of the document each, are still being looked through: that belongs to the cost.
      await quiet(target, 20_000)
      for (const client of joined) client.close()
      return {
        allMs,
        inSync,
        failed,
        reasons,
        times: joined.map(({ ms }) => ms),
        bytes: joined.reduce((sum, { bytes }) => sum + bytes, 0),
      }
    })
    const loopMs = await loopDelayMaxMs(target.metricsPort)
    return {
      complaints: result.reasons,
      sample: {
        allMs: result.failed > 0 ? null : result.allMs,
        failed: result.failed,
        ...timeline(result.inSync),
        p50: percentile(result.times, 0.5),
        p99: percentile(result.times, 0.99),
        cpuEach: cost.serverCpuMs / clients,
        databaseCpuEach: cost.databaseCpuMs > 0 ? cost.databaseCpuMs / clients : null,
        loopMs,
        kilobytes: result.bytes / clients / 1000,
        rss: cost.rss / 1e6,
        others: cost.othersShare * 100,
      },
    }
  } finally {
    await target.stop()
  }
}

/** When so many percent of the clients that got in were in sync, in ms since the first came back. */
const timeline = (inSync: readonly number[]): Sample =>
  Object.fromEntries(syncShares.map((share) => [syncKey(share), percentile(inSync, share / 100)]))

const goals = (rows: readonly Row[]): Goal[] =>
  (['weft', 'weft-yjs'] as const)
    .flatMap((target) => {
      const row = rows.find((candidate) => candidate.target === target && candidate.point === atOnce)
      return [
        // By the Weft protocol a client resumes, and gets what it missed: half the time.
        atMost(
          `${target}: ${clients} reconnects, all in sync, ms`,
          target === 'weft' ? 500 : 1000,
          row,
          'allMs',
        ),
        atMost(`${target}: longest event-loop delay, ms`, 50, row, 'loopMs'),
      ]
    })
    .filter((goal) => goal !== null)
