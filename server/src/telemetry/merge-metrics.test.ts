import { expect, test } from 'vitest'
import { mergeMetrics } from './merge-metrics.js'

const page = (value: number, process: number): string =>
  [
    '# HELP a_total Some help',
    '# TYPE a_total counter',
    `a_total ${value}`,
    '',
    '# HELP b Connections',
    '# TYPE b gauge',
    `b{dialect="we{ft} "} ${value}`,
    `b{dialect="yjs"} 0`,
    '# HELP weft_process_info Who',
    '# TYPE weft_process_info gauge',
    `weft_process_info{node="n${process}",process="${process}"} 1`,
    '# HELP c_seconds Time',
    '# TYPE c_seconds histogram',
    'c_seconds_bucket{le="+Inf"} 2',
    `c_seconds_sum 1e-7`,
    '',
  ].join('\n')

test('samples get the label of their process, and those of a metric stand together', () => {
  const merged = mergeMetrics([
    { process: 1, text: page(5, 1) },
    { process: 3, text: page(7, 3) },
  ])
  expect(merged.split('\n').filter((line) => line !== '')).toEqual([
    '# HELP a_total Some help',
    '# TYPE a_total counter',
    'a_total{process="1"} 5',
    'a_total{process="3"} 7',
    '# HELP b Connections',
    '# TYPE b gauge',
    'b{process="1",dialect="we{ft} "} 5',
    'b{process="1",dialect="yjs"} 0',
    'b{process="3",dialect="we{ft} "} 7',
    'b{process="3",dialect="yjs"} 0',
    '# HELP weft_process_info Who',
    '# TYPE weft_process_info gauge',
    'weft_process_info{node="n1",process="1"} 1',
    'weft_process_info{node="n3",process="3"} 1',
    '# HELP c_seconds Time',
    '# TYPE c_seconds histogram',
    'c_seconds_bucket{process="1",le="+Inf"} 2',
    'c_seconds_sum{process="1"} 1e-7',
    'c_seconds_bucket{process="3",le="+Inf"} 2',
    'c_seconds_sum{process="3"} 1e-7',
  ])
  expect(mergeMetrics([])).toBe('')
})
