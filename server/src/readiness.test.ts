import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DatabaseWatch, readinessOf } from './readiness.js'

/** A database whose answers the test gives. */
class Database {
  readonly asked: { answer(): void; fail(error: Error): void }[] = []
  readonly told: string[] = []
  readonly watch = new DatabaseWatch(() => new Promise((answer, fail) => this.asked.push({ answer, fail })), {
    away: (reason) => this.told.push(`away: ${String(reason)}`),
    back: (awayMs) => this.told.push(`back after ${awayMs} ms`),
  })
}

let database: Database
beforeEach(() => {
  vi.useFakeTimers()
  database = new Database()
})
afterEach(() => {
  database.watch.close()
  vi.useRealTimers()
})

test('however many want to know, it is asked once a second', async () => {
  const { watch, asked } = database
  const all = Array.from({ length: 50 }, () => watch.isThere())
  expect(asked).toHaveLength(1)
  asked[0]!.answer()
  expect(await Promise.all(all)).toEqual(all.map(() => true))
  await vi.advanceTimersByTimeAsync(900)
  expect(await watch.isThere()).toBe(true)
  expect(asked).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(200)
  void watch.isThere()
  expect(asked).toHaveLength(2)
})

test('one that does not answer is away after a second, and told of when it is back', async () => {
  const { watch, asked, told } = database
  const answer = watch.isThere()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await answer).toBe(false)
  // At once, and without another question.
  expect(await watch.isThere()).toBe(false)
  expect(asked).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(7_000)
  asked[0]!.fail(new Error('too late'))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(asked).toHaveLength(2)
  asked[1]!.answer()
  await vi.advanceTimersByTimeAsync(0)
  expect(await watch.isThere()).toBe(true)
  expect(told).toEqual(['away: Error: the database did not answer within 1000 ms', 'back after 9000 ms'])
})

test('what others hear of it counts: a failed commit is looked into, and a commit is an answer', async () => {
  const { watch, asked, told } = database
  watch.answered()
  expect(await watch.isThere()).toBe(true)
  expect(asked).toHaveLength(0)
  watch.doubt()
  asked[0]!.fail(new Error('refused'))
  await vi.advanceTimersByTimeAsync(0)
  expect(await watch.isThere()).toBe(false)
  await vi.advanceTimersByTimeAsync(300)
  watch.answered()
  expect(await watch.isThere()).toBe(true)
  expect(told).toEqual(['away: Error: refused', 'back after 300 ms'])
})

test('a question that hangs says nothing against an answer given meanwhile', async () => {
  const { watch, told } = database
  watch.doubt()
  await vi.advanceTimersByTimeAsync(500)
  watch.answered()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(told).toEqual([])
})

test('I7: rooms that are set aside are told of, and leave the node ready', async () => {
  const { watch, asked } = database
  const answer = readinessOf(watch, null, false, 2)
  asked[0]?.answer()
  expect(await answer).toEqual({ ok: true, body: { status: 'ready', database: 'ok', quarantinedRooms: 2 } })
  expect((await readinessOf(watch, null, false, 0)).body).toEqual({ status: 'ready', database: 'ok' })
})
