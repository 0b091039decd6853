import { expect, test } from 'vitest'
import { Timeline } from './timeline.js'

const nodes: Readonly<Record<string, number>> = { a: 0, a2: 0, b: 1 }

const start = (): { timeline: Timeline; at: (ms: number) => Timeline } => {
  let now = 0
  const timeline = new Timeline(
    () => now,
    (client) => nodes[client] ?? null,
  )
  return { timeline, at: (ms) => ((now = ms), timeline) }
}

test('a delivery to a client of another node counts in the bucket in which the edit was typed', () => {
  const { timeline, at } = start()
  at(260).typed('a', 'a.0')
  at(270).seen('a2', 'a.0')
  at(290).seen('b', 'a.0')
  at(300).typed('a', 'a.1')
  at(1300).seen('b', 'a.1')
  expect(timeline.points()).toMatchObject([
    { at: 0.125, deliveries: 0, p50: null, p99: null, max: null },
    { at: 0.375, deliveries: 2, p50: 1000, p99: 1000, max: 1000 },
  ])
  expect(timeline.span(250, 500)).toMatchObject({ deliveryP50: 1000, deliveryMax: 1000 })
})

test('what is typed without a connection counts when it arrives, at whichever node', () => {
  const { timeline, at } = start()
  at(0).typed('offline', 'offline.0')
  at(40).seen('a', 'offline.0')
  expect(timeline.span(0, 250)).toMatchObject({ deliveryMax: 40 })
})

test('the longest wait for an acknowledgement includes what still waits', () => {
  const { timeline, at } = start()
  at(0).asked('a.0')
  at(10).asked('a.1')
  at(500).acked('a.0')
  at(1000)
  expect(timeline.span(0, 1000)).toMatchObject({ acksPerSecond: 1, longestAckWait: 990 })
  expect(timeline.span(0, 10)).toMatchObject({ acksPerSecond: 0, longestAckWait: 500 })
  expect(timeline.span(600, 1000)).toMatchObject({ acksPerSecond: 0, longestAckWait: 990 })
  expect(timeline.isWaitingSince(10)).toBe(false)
  expect(timeline.isWaitingSince(11)).toBe(true)
  at(1200).acked('a.1')
  expect(timeline.isWaitingSince(1200)).toBe(false)
  expect(timeline.points()[2]).toMatchObject({ acksPerSecond: 4 })
})
