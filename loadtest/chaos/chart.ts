import type { TopLevelSpec } from 'vega-lite'
import type { Band, ChaosRecord } from './record.js'

const width = 1100

/** What is drawn of the deliveries, each over the one before. */
const lines = [
  { field: 'max', color: '#f4a582' },
  { field: 'p99', color: '#b2182b' },
  { field: 'p50', color: '#1b6ca8' },
] as const

/** The width of a letter of a fault's name, in pixels, on the wide side. */
const letter = 6.5

/** Delivery latency and acknowledgements over the time of a run, with its faults as shaded bands. */
export const chartOf = ({ options, environment, bands, points, verdict }: ChaosRecord): TopLevelSpec => {
  const end = Math.ceil(Math.max(...points.map(({ at }) => at), ...bands.map(({ to }) => to)))
  const x = timeAxis(end)
  const shade = {
    data: { values: [...bands] },
    mark: { type: 'rect' as const, opacity: 0.16, color: '#555' },
    encoding: { x: x('from'), x2: { field: 'to' } },
  }
  return {
    title: {
      text: `Chaos: ${verdict}`,
      subtitle: [
        `${options.nodes} nodes; ${options.rooms} rooms, each with the same ${options.typists} SDK clients and a stock y-websocket client; each types every ${options.pace} ms. Shaded: while a fault lasts`,
        `${environment.cpu}, ${environment.cores} cores, Node ${environment.node}, commit ${environment.commit}, ${environment.date.slice(0, 10)}; all on one machine`,
      ],
      subtitleColor: '#555',
    },
    data: { values: [...points] },
    vconcat: [
      {
        width,
        height: 320,
        layer: [
          shade,
          namesOf(bands, x, width / end),
          {
            transform: [
              { fold: lines.map(({ field }) => field), as: ['line', 'ms'] },
              { filter: 'isValid(datum.ms)' },
              { calculate: 'max(datum.ms, 0.1)', as: 'ms' },
            ],
            mark: { type: 'line', interpolate: 'linear' },
            encoding: {
              x: x('at'),
              y: {
                field: 'ms',
                type: 'quantitative',
                title: 'delivery to another node (log scale)',
                scale: { type: 'log' },
                axis: {
                  values: [1, 10, 100, 1_000, 10_000, 100_000],
                  labelExpr: "datum.value < 1000 ? datum.value + ' ms' : datum.value / 1000 + ' s'",
                },
              },
              color: {
                field: 'line',
                type: 'nominal',
                title: 'by 250 ms',
                scale: { domain: lines.map(({ field }) => field), range: lines.map(({ color }) => color) },
              },
              // Where p99 is the max, both are to be seen.
              strokeWidth: { condition: { test: "datum.line === 'max'", value: 4 }, value: 1.4 },
            },
          },
        ],
      },
      {
        width,
        height: 120,
        layer: [
          shade,
          {
            mark: { type: 'area', color: '#4d9221', opacity: 0.75, interpolate: 'step' },
            encoding: {
              x: x('at'),
              y: { field: 'acksPerSecond', type: 'quantitative', title: 'acks per second' },
            },
          },
        ],
      },
    ],
  }
}

/** All layers share it. @param end seconds */
const timeAxis = (end: number) => (field: string) => ({
  field,
  type: 'quantitative' as const,
  title: 'seconds since the start',
  scale: { domain: [0, end], nice: false },
  axis: { tickCount: 20, grid: false, format: 'd' },
})

/** The faults' names above their bands, aslant when they would run into each other. */
const namesOf = (bands: readonly Band[], x: ReturnType<typeof timeAxis>, pixelsPerSecond: number) => ({
  data: { values: bands.map(({ from, to, title }) => ({ middle: (from + to) / 2, title })) },
  mark: {
    type: 'text' as const,
    fontSize: 11,
    color: '#333',
    ...(areApart(bands, pixelsPerSecond)
      ? { align: 'center' as const, dy: -6 }
      : { align: 'left' as const, angle: 315, dy: -4 }),
  },
  encoding: { x: x('middle'), y: { value: 0 }, text: { field: 'title' } },
})

const areApart = (bands: readonly Band[], pixelsPerSecond: number): boolean =>
  bands.every((band, i) => {
    const next = bands[i + 1]
    if (!next) return true
    const between = ((next.from + next.to - band.from - band.to) / 2) * pixelsPerSecond
    return between > ((band.title.length + next.title.length) / 2) * letter
  })
