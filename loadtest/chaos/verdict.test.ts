import { describe, expect, test } from 'vitest'
import { formatVerdict, holds, judge, type RoomLog } from './verdict.js'

/** Two authors, five edits, three events, two who listen: as it should be. */
const good: RoomLog = {
  room: 'a',
  saved: ['t0.0', 't1.0', 't0.1', 't1.1', 't0.10'],
  found: ['t1.0', 't0.1', 't0.0', 'stock.0', 't0.10', 't1.1'],
  logged: ['3 t0.1', '7 t1.1', '11 t0.10'],
  log: ['3 t0.1', '7 t1.1', '11 t0.10'],
  heard: [
    ['3 t0.1', '7 t1.1', '11 t0.10'],
    ['3 t0.1', '7 t1.1', '11 t0.10'],
  ],
}

const kept = { acked: 8, lost: 0, duplicated: 0, orderViolations: 0 }

const heardBy = (...events: string[]): Partial<RoomLog> => ({ heard: [good.log, events] })

describe('the verdict of `npm run chaos`', () => {
  test('every promise was kept', () => {
    expect(judge([good])).toEqual({ ...kept, findings: [] })
    expect(holds(judge([good]))).toBe(true)
    expect(formatVerdict(judge([good]))).toBe('acked 8, lost 0, duplicated 0, order violations 0')
  })

  test('an author may learn of the seqs of its events in any order', () => {
    expect(judge([{ ...good, logged: [...good.logged].reverse() }])).toEqual({ ...kept, findings: [] })
  })

  test('rooms add up', () => {
    expect(judge([good, { ...good, found: [] }])).toMatchObject({ ...kept, acked: 16, lost: 5 })
  })

  test('nothing acknowledged is no success', () => {
    expect(holds(judge([]))).toBe(false)
    expect(holds(judge([{ room: 'a', saved: [], found: [], logged: [], log: [], heard: [[]] }]))).toBe(false)
  })

  test.each<[what: string, change: Partial<RoomLog>, expected: Partial<typeof kept>]>([
    ['an acknowledged edit is not found', { found: good.found.slice(1) }, { lost: 1 }],
    [
      'an acknowledged event is not in the log, and nobody heard it',
      { log: good.log.slice(0, 2), heard: [good.log.slice(0, 2)] },
      { lost: 1 },
    ],
    ['an edit is found twice', { found: [...good.found, 't0.0'] }, { duplicated: 1 }],
    [
      'an edit that nobody acknowledges is found twice',
      { found: [...good.found, 'stock.0'] },
      { duplicated: 1 },
    ],
    [
      'an event is logged twice, and heard so',
      { log: [...good.log, '12 t0.10'], heard: [[...good.log, '12 t0.10']] },
      { duplicated: 2, orderViolations: 1 },
    ],
    ['a client hears an event twice', heardBy('3 t0.1', '7 t1.1', '7 t1.1', '11 t0.10'), { duplicated: 1 }],
    [
      'a client hears two events in the wrong order',
      heardBy('7 t1.1', '3 t0.1', '11 t0.10'),
      { orderViolations: 1 },
    ],
    ['a client does not hear an event in between', heardBy('3 t0.1', '11 t0.10'), { orderViolations: 1 }],
    ['a client does not hear the last event', heardBy('3 t0.1', '7 t1.1'), { orderViolations: 1 }],
    ['an author was told another seq', { logged: ['3 t0.1', '7 t1.1', '12 t0.10'] }, { orderViolations: 1 }],
    [
      'edits of one author are acknowledged in the wrong order',
      { saved: ['t0.1', 't0.0', 't1.0', 't1.1', 't0.10'] },
      { orderViolations: 1 },
    ],
    [
      'events of one author are logged in the wrong order',
      {
        logged: ['3 t0.10', '7 t1.1', '11 t0.1'],
        log: ['3 t0.10', '7 t1.1', '11 t0.1'],
        heard: [['3 t0.10', '7 t1.1', '11 t0.1']],
      },
      { orderViolations: 1 },
    ],
  ])('%s', (_, change, expected) => {
    const verdict = judge([{ ...good, ...change }])
    expect(verdict).toMatchObject({ ...kept, ...expected })
    expect(verdict.findings).toHaveLength(verdict.lost + verdict.duplicated + verdict.orderViolations)
    expect(holds(verdict)).toBe(false)
  })
})
