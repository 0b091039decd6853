/*
 * What a record looks like: one Vega-Lite specification for each kind of figure. Pure: a record in, specifications out.
 */
import type { TopLevelSpec } from 'vega-lite'
import type { Statistic } from '../measure/statistics.js'
import type { RunRecord } from './record.js'

/** A plot, and the end of its file's name. */
export interface Plot {
  readonly name: string
  readonly spec: TopLevelSpec
}

/** One mark: the median of the repetitions, and their range. */
interface Mark {
  readonly point: string
  readonly server: string
  readonly kind: string
  readonly value: number
  readonly label: string
  readonly low: number
  readonly high: number
}

/** The shares of clients whose time to sync a record keeps, in percent. */
export const syncShares = [1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 100]
export const syncKey = (share: number): string => `inSync${share}`

/** Every plot that the record has figures for. */
export const plotsOf = (record: RunRecord): Plot[] => {
  const { environment } = record
  const subtitle = `${environment.cpu}, ${environment.cores} cores, ${environment.date.slice(0, 10)}, commit ${environment.commit}`
  const marks = (keys: Readonly<Record<string, string>>, scenarios?: readonly string[]): Mark[] =>
    record.results.flatMap(({ scenario, rows }) =>
      scenarios !== undefined && !scenarios.includes(scenario)
        ? []
        : rows.flatMap(({ point, target, values }) =>
            Object.entries(keys).flatMap(([key, kind]) => {
              const value = values[key]
              return value === undefined ? [] : [mark(`${scenario}: ${point}`, target, kind, value)]
            }),
          ),
    )
  const loads = ['fanout', 'rooms', 'acks', 'embedded', 'presence', 'cluster', 'traces']
  const plots: (Plot | null)[] = [
    ranges('latency', 'Latency: p50 and p99', subtitle, 'ms (log)', marks({ p50: 'p50', p99: 'p99' }, loads)),
    ranges(
      'cpu',
      'CPU of the server for each delivery or update',
      subtitle,
      'µs (log)',
      marks({ cpuPerDelivery: 'per delivery', cpuPerUpdate: 'per update' }),
    ),
    ranges(
      'most',
      'The most that is sustained with p99 below 100 ms',
      subtitle,
      'per second (log)',
      marks({ deliveries: 'deliveries', updates: 'updates' }, ['fanout', 'rooms']).filter(({ point }) =>
        point.includes(': most'),
      ),
    ),
    ranges(
      'connections',
      'Memory of an idle connection',
      subtitle,
      'KB',
      marks({ perConnection: 'RSS' }),
      false,
    ),
    ranges(
      'memory',
      'Memory of the server',
      subtitle,
      'MB (log)',
      marks({ rss: 'RSS' }, ['rooms', 'join', 'cold-join', 'reconnect', 'idle']),
    ),
    recovery(record, subtitle),
  ]
  return plots.filter((plot) => plot !== null)
}

const short = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 })

const mark = (point: string, server: string, kind: string, { median, min, max }: Statistic): Mark => ({
  point,
  server,
  kind,
  value: median,
  label: short.format(median),
  low: min,
  high: max,
})

/** Servers have the same colours in all plots, whichever take part. */
const servers = ['bare', 'weft', 'weft-yjs', 'y-websocket', 'hocuspocus', 'hocuspocus-db']

/** One row for each server at each point: a dot at the median, a line over the range of the repetitions. */
const ranges = (
  name: string,
  title: string,
  subtitle: string,
  unit: string,
  marks: readonly Mark[],
  logarithmic = true,
): Plot | null => {
  // A logarithm has no place for nothing.
  const values = marks.filter(({ low }) => !logarithmic || low > 0)
  if (values.length === 0) return null
  const points = [...new Set(values.map(({ point }) => point))]
  const scale = logarithmic ? { type: 'log' as const } : { zero: true }
  const color = { field: 'kind', type: 'nominal', title: null } as const
  // Not facets: their rows cannot have as many servers each as take part in each.
  const spec: TopLevelSpec = {
    title: { text: title, subtitle },
    vconcat: points.map((point, i) => {
      const axis = i === points.length - 1 ? { title: unit } : { title: null }
      const x = { type: 'quantitative', scale, axis } as const
      return {
        title: { text: point, fontSize: 11, offset: 4, frame: 'group' },
        data: { values: values.filter((each) => each.point === point) },
        width: 560,
        height: { step: 18 },
        encoding: { y: { field: 'server', type: 'nominal', title: null, sort: servers }, color },
        layer: [
          {
            mark: { type: 'rule', strokeWidth: 3, opacity: 0.4 },
            encoding: { x: { ...x, field: 'low' }, x2: { field: 'high' } },
          },
          {
            mark: { type: 'point', filled: true, size: 60, opacity: 1 },
            encoding: { x: { ...x, field: 'value' } },
          },
          {
            mark: { type: 'text', align: 'left', dx: 7, fontSize: 9 },
            encoding: { x: { ...x, field: 'value' }, text: { field: 'label', type: 'nominal' } },
          },
        ],
      }
    }),
    resolve: { scale: { x: 'shared', color: 'shared' } },
    spacing: 8,
  }
  return { name, spec }
}

/** How many of the clients are in sync at a time after the restart. */
const recovery = ({ results }: RunRecord, subtitle: string): Plot | null => {
  const rows = results.find(({ scenario }) => scenario === 'reconnect')?.rows ?? []
  const values = rows.flatMap(({ point, target, values: found }) =>
    syncShares.flatMap((share) => {
      const ms = found[syncKey(share)]?.median
      return ms === undefined || ms <= 0 ? [] : [{ point, server: target, share, ms }]
    }),
  )
  if (values.length === 0) return null
  const spec: TopLevelSpec = {
    title: { text: 'Recovery: clients in sync after a restart', subtitle },
    data: { values },
    facet: {
      column: {
        field: 'point',
        type: 'nominal',
        title: null,
        sort: [...new Set(values.map(({ point }) => point))],
      },
    },
    spec: {
      width: 420,
      height: 280,
      mark: { type: 'line', point: true, interpolate: 'monotone' },
      encoding: {
        x: {
          field: 'ms',
          type: 'quantitative',
          title: 'ms since the first came back (log)',
          scale: { type: 'log' },
        },
        y: { field: 'share', type: 'quantitative', title: '% of the clients', scale: { domain: [0, 100] } },
        color: {
          field: 'server',
          type: 'nominal',
          title: null,
          scale: { domain: servers.filter((name) => values.some(({ server }) => server === name)) },
        },
        order: { field: 'share', type: 'quantitative' },
      },
    },
  }
  return { name: 'recovery', spec }
}
