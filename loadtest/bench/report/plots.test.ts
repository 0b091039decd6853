import { describe, expect, test } from 'vitest'
import { renderSvg } from '../../plot/svg.js'
import { statistic } from '../measure/statistics.js'
import { plotsOf, syncKey, syncShares } from './plots.js'
import type { RunRecord } from './record.js'
import { type Sample, type ScenarioResult, rowOf } from './result.js'

const environment = {
  date: '2026-02-03T04:05:06Z',
  commit: 'abc1234',
  cpu: 'a processor',
  cores: 2,
  memoryGiB: 4,
  kernel: 'linux',
  node: 'v20',
  packages: {},
  peers: {},
  pinned: true,
  quick: false,
}

const result = (scenario: string, rows: ScenarioResult['rows']): ScenarioResult => ({
  scenario,
  title: scenario,
  columns: [],
  rows,
  goals: [],
  notes: [],
})

const synced = (last: number): Sample =>
  Object.fromEntries(syncShares.map((share) => [syncKey(share), (last * share) / 100]))

const record: RunRecord = {
  environment,
  results: [
    result('fanout', [
      rowOf('200 readers', 'bare', [{ p50: 1, p99: 4, cpuPerDelivery: 0.25 }], []),
      rowOf(
        '200 readers',
        'weft',
        [
          { p50: 2, p99: 9, cpuPerDelivery: 3 },
          { p50: 4, p99: 11, cpuPerDelivery: 5 },
        ],
        [],
      ),
      rowOf('most, 200 readers', 'weft', [{ deliveries: 1_234_567, updates: 6000 }], []),
      rowOf('200 readers', 'y-websocket', [], ['failed: it gave up']),
    ]),
    result('reconnect', [
      rowOf('at once', 'weft', [synced(400)], []),
      rowOf('at once', 'hocuspocus', [synced(4000)], []),
    ]),
    result('idle', [rowOf('idle', 'weft', [{ perConnection: 5.5, rss: 100 }], [])]),
  ],
}

describe('plots of a record', () => {
  test('a plot for each kind of figure that it has', () => {
    expect(plotsOf(record).map(({ name }) => name)).toEqual([
      'latency',
      'cpu',
      'most',
      'connections',
      'memory',
      'recovery',
    ])
    expect(plotsOf({ environment, results: [] })).toEqual([])
    expect(plotsOf({ environment, results: [record.results[2]!] }).map(({ name }) => name)).toEqual([
      'connections',
      'memory',
    ])
  })

  test('marks carry the median, the range of the repetitions, and the percentile', () => {
    const latency = JSON.stringify(plotsOf(record)[0]!.spec)
    const { median, min, max } = statistic([9, 11])
    expect(latency).toContain(
      JSON.stringify({
        point: 'fanout: 200 readers',
        server: 'weft',
        kind: 'p99',
        value: median,
        label: '10',
        low: min,
        high: max,
      }),
    )
    expect(latency).not.toContain('y-websocket","kind')
  })

  test('drawn: where it was measured, every point, every server, small and large values', async () => {
    const svgs = new Map<string, string>()
    for (const { name, spec } of plotsOf(record)) svgs.set(name, await renderSvg(spec))
    for (const text of [
      'a processor, 2 cores, 2026-02-03, commit abc1234',
      '>bare<',
      '>weft<',
      'fanout: 200 readers',
    ])
      expect(svgs.get('latency')).toContain(text)
    expect(svgs.get('cpu')).toContain('>0.25<')
    expect(svgs.get('most')).toContain('>1.23M<')
    for (const text of ['>weft<', '>hocuspocus<', '>at once<']) expect(svgs.get('recovery')).toContain(text)
  })
})
