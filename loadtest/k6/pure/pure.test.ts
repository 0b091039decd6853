import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { textName } from '../../bench/wire/keystrokes.js'
import { DocumentAuthor } from './large-document.js'
import { readPresences, writePresence } from './presence.js'
import { Receipts } from './receipts.js'
import { recordedRhythm } from './recorded-rhythm.js'
import { Gaps, gapsOf, keystrokesPerSecond } from './rhythm.js'
import { stampAge, stampLength, stampPeriod, writeStamp } from './stamp.js'
import { Typist } from './typist.js'
import { readVector, writeVector } from './vector.js'

const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1')

describe('stamps', () => {
  test.each([0, 1, 63, 64, 1_795_911_495_206, stampPeriod - 1])('tell how long ago %i ms was', (ms) => {
    const stamp = writeStamp(ms)
    expect(stamp).toHaveLength(stampLength)
    for (const age of [0, 1, 1234, 600_000]) expect(stampAge(ascii(`xx${stamp}`), 2, ms + age)).toBe(age)
  })

  test('of a clock that is ahead are of now', () => {
    expect(stampAge(ascii(writeStamp(5000)), 0, 4000)).toBe(0)
  })
})

describe('a typist', () => {
  test('makes the updates that Yjs makes', () => {
    const doc = new Y.Doc()
    doc.clientID = 0x4000_0007
    const made: Uint8Array[] = []
    doc.on('update', (update: Uint8Array) => made.push(update))
    const typist = new Typist(doc.clientID)
    for (let i = 0; i < 100; i++) {
      const { n, update } = typist.press(1000 + i)
      doc.getText(textName).insert(doc.getText(textName).length, writeStamp(1000 + i))
      expect(n).toBe(i + 1)
      expect(Buffer.from(update).equals(made[i]!)).toBe(true)
    }
    expect(typist.clock).toBe(doc.getText(textName).length)
  })

  test('keeps what is not settled, in order', () => {
    const typist = new Typist(1)
    for (let i = 0; i < 5; i++) typist.press(i)
    expect(typist.settle(0)).toEqual([])
    expect(typist.settle(2).map(({ n, sentAt }) => [n, sentAt])).toEqual([
      [1, 0],
      [2, 1],
    ])
    expect(typist.settle(2)).toEqual([])
    expect(typist.unsettled.map(({ n }) => n)).toEqual([3, 4, 5])
    expect(typist.settle(9)).toHaveLength(3)
  })
})

describe('receipts', () => {
  const make = () => {
    const counts = {
      deliveries: 0,
      duplicates: 0,
      latencies: [] as number[],
      latency: (ms: number): void => void counts.latencies.push(ms),
    }
    const typists = [new Typist(300), new Typist(0x7fff_ffff)]
    const receipts = new Receipts(counts)
    for (const typist of typists) receipts.expect(typist)
    const updates = Array.from({ length: 20 }, (_, i) => typists[i % 2]!.press(100 + i).update)
    const take = (update: Uint8Array, isLive = true): void =>
      receipts.take(update, 0, update.length, 150, isLive)
    return { counts, receipts, updates, take, typists }
  }

  test('count each update once, with its latency', () => {
    const { counts, receipts, updates, take, typists } = make()
    expect(receipts.missing()).toBe(20)
    updates.forEach((update) => take(update))
    expect(counts).toMatchObject({ deliveries: 20, duplicates: 0 })
    expect(counts.latencies).toEqual(updates.map((_, i) => 50 - i))
    expect(receipts.missing()).toBe(0)
    expect(receipts.clocks()).toEqual(typists.map(({ client, clock }) => [client, clock]))
  })

  test('know what is missing, and where the gap is', () => {
    const { counts, receipts, updates, take } = make()
    updates.filter((_, i) => i !== 4 && i !== 19).forEach((update) => take(update))
    expect(receipts.missing()).toBe(2)
    expect(counts.deliveries).toBe(18)
    expect(receipts.clocks().map(([, clock]) => clock)).toEqual([2 * stampLength, 9 * stampLength])
  })

  test('count what comes again, merged or not', () => {
    const { counts, updates, take } = make()
    take(Y.mergeUpdates(updates.slice(0, 10)))
    take(updates[3]!)
    take(Y.mergeUpdates(updates.slice(8, 14)))
    expect(counts).toMatchObject({ deliveries: 14, duplicates: 3 })
    expect([...counts.latencies].sort((a, b) => b - a)).toEqual(Array.from({ length: 14 }, (_, i) => 50 - i))
  })

  test('take what a sync brings, be it known or not', () => {
    const { counts, receipts, updates, take } = make()
    take(updates[0]!)
    const doc = new Y.Doc()
    for (const update of updates) Y.applyUpdate(doc, update)
    take(Y.encodeStateAsUpdate(doc), false)
    expect(counts).toMatchObject({ deliveries: 20, duplicates: 0, latencies: [50] })
    expect(receipts.missing()).toBe(0)
  })

  test('leave out clients that are not expected', () => {
    const { counts, receipts, take } = make()
    take(new Typist(5).press(100).update)
    expect(counts).toMatchObject({ deliveries: 0, duplicates: 0 })
    expect(receipts.missing()).toBe(20)
  })
})

describe('the rhythm', () => {
  test('of edits in one second lies evenly in it; pauses are cut', () => {
    expect(gapsOf([10, 10, 11, 11, 11, 11, 60], 3000)).toEqual([500, 500, 250, 250, 250, 3000])
  })

  test('that was recorded is one of a person', () => {
    expect(recordedRhythm.every((gap) => gap > 0 && gap <= 3000)).toBe(true)
    expect(keystrokesPerSecond(recordedRhythm)).toBeGreaterThan(1)
    expect(keystrokesPerSecond(recordedRhythm)).toBeLessThan(8)
  })

  test('begins anywhere, at any speed, and does not end', () => {
    const gaps = new Gaps([10, 20, 30], 0.5, 2)
    expect(Array.from({ length: 5 }, () => gaps.next())).toEqual([10, 15, 5, 10, 15])
    expect(new Gaps([10, 20], 1, 1).next()).toBe(10)
  })
})

test('a large document is one that Yjs reads, with structs that stay apart', () => {
  const author = new DocumentAuthor(0x4000_0000, 10)
  const updates = Array.from({ length: 7 }, () => author.press(1234).update)
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  expect(doc.getText(textName).toJSON()).toBe(writeStamp(1234).repeat(140))
  expect(Y.decodeUpdate(Y.encodeStateAsUpdate(doc)).structs).toHaveLength(140)
  const merged = new Y.Doc()
  Y.applyUpdate(merged, Y.mergeUpdates(updates))
  expect(merged.getText(textName).toJSON()).toBe(doc.getText(textName).toJSON())
})

test('state vectors are those of Yjs', () => {
  const clocks: [number, number][] = [
    [0xffff_ffff, 300],
    [7, 1],
  ]
  const written = writeVector([...clocks, [9, 0]])
  expect(Y.decodeStateVector(written)).toEqual(new Map(clocks))
  expect(readVector(written)).toEqual(new Map(clocks))
  expect(writeVector([])).toEqual(Uint8Array.of(0))
})

test('presence tells when it was made, by id', () => {
  expect(readPresences(writePresence(70_000, 3, 1_795_911_495_206))).toEqual([[70_000, 1_795_911_495_206]])
})
