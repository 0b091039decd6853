import { expect, test } from 'vitest'
import { renderSvg } from './svg.js'

test('a plot is an SVG document with its title, a mark for each value, and a legend', async () => {
  const svg = await renderSvg({
    title: 'Latency & load',
    data: {
      values: [
        { at: 1, ms: 2, server: 'weft' },
        { at: 2, ms: 4, server: 'bare' },
      ],
    },
    mark: 'point',
    encoding: {
      x: { field: 'at', type: 'quantitative' },
      y: { field: 'ms', type: 'quantitative' },
      color: { field: 'server', type: 'nominal' },
    },
  })
  expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/)
  for (const text of ['Latency &amp; load', '>weft<', '>bare<']) expect(svg).toContain(text)
  const marks = /<g class="mark-symbol role-mark[^>]*>(.*?)<\/g>/s.exec(svg)?.[1]
  expect(marks?.match(/<path /g)).toHaveLength(2)
})
