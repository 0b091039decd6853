import type { TopLevelSpec } from 'vega-lite'
import type { Sample } from './trend.js'

const panel = (title: string, held: readonly (keyof Sample)[], names: readonly string[]) => ({
  width: 640,
  height: 160,
  transform: [{ fold: [...held], as: ['what', 'value'] as [string, string] }],
  mark: { type: 'line' as const },
  encoding: {
    x: { field: 'minutes', type: 'quantitative' as const, title: 'minutes' },
    y: { field: 'value', type: 'quantitative' as const, title },
    color: {
      field: 'what',
      type: 'nominal' as const,
      title: null,
      scale: { domain: [...held] },
      legend: { labelExpr: `{${held.map((key, i) => `'${key}': '${names[i]!}'`).join(', ')}}[datum.label]` },
    },
  },
})

/** Memory, and what is open, over the time. */
export const chartOf = (samples: readonly Sample[]): TopLevelSpec => ({
  title: 'What a server holds',
  data: {
    values: samples.map((sample) => ({
      ...sample,
      minutes: sample.at / 60,
      rss: sample.rss / 1e6,
      heap: sample.heap / 1e6,
    })),
  },
  vconcat: [
    panel('MB', ['rss', 'heap'], ['resident memory', 'heap after a collection']),
    panel('open', ['descriptors', 'handles', 'rooms'], ['file descriptors', 'handles', 'rooms']),
  ],
  resolve: { scale: { color: 'independent' } },
})
