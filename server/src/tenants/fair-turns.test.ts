import { expect, test, vi } from 'vitest'
import { FairShares } from './fair-shares.js'
import { FairTurns } from './fair-turns.js'

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('I6: a thousand of one tenant cost another the place before its own, not a thousand', async () => {
  const turns = new FairTurns(1, new FairShares(50).limit(3_000))
  const order: string[] = []
  const ask = (tenant: string): void => {
    void turns.begin(tenant).then(() => order.push(tenant))
  }
  for (let i = 0; i < 1_000; i++) ask('a')
  ask('b')
  ask('b')
  ask('c')
  for (let i = 0; i < 6; i++) {
    await settled()
    turns.end('a')
  }
  await settled()
  expect(order.join('')).toBe('aabcaba')
})

test('I6: no more run than there are places, and a place is never lost', async () => {
  const turns = new FairTurns(2, new FairShares(50).limit(100))
  let running = 0
  let most = 0
  const work = async (tenant: string): Promise<void> => {
    expect(await turns.begin(tenant)).toBe(true)
    most = Math.max(most, ++running)
    await settled()
    running--
    turns.end(tenant)
  }
  await Promise.all(Array.from({ length: 30 }, (_, i) => work(`t${i % 3}`)))
  expect([most, running, turns.waiting]).toEqual([2, 0, 0])
  expect(await turns.begin('a')).toBe(true)
})

test('I6: those who wait share the limit: one tenant at its share is refused, and another is not', async () => {
  const turns = new FairTurns(1, new FairShares(50).limit(10))
  await turns.begin('a')
  const waiting = Array.from({ length: 5 }, () => turns.begin('a'))
  expect(await turns.begin('a')).toBe(false)
  const other = turns.begin('b')
  turns.end('a')
  expect(await waiting[0]).toBe(true)
  turns.end('a')
  expect(await other).toBe(true)
})

test('I6, I7: one tenant leaves places to others, which get theirs at once, however long it keeps its own', async () => {
  const turns = new FairTurns(4, new FairShares(50).limit(100))
  const granted: string[] = []
  const ask = (tenant: string): void => void turns.begin(tenant).then(() => granted.push(tenant))
  for (let i = 0; i < 4; i++) ask('a')
  ask('b')
  await settled()
  expect(granted).toEqual(['a', 'a', 'b'])
  // A place that another gives back is not one more of its own.
  turns.end('b')
  await settled()
  expect(granted).toEqual(['a', 'a', 'b'])
  turns.end('a')
  await settled()
  expect(granted).toEqual(['a', 'a', 'b', 'a'])
  const alone = new FairTurns(2, new FairShares(50).limit(100))
  expect(await Promise.all([alone.begin(''), alone.begin('')])).toEqual([true, true])
})

test('a wait that is ended takes no place', async () => {
  const turns = new FairTurns(1, new FairShares(50).limit(10))
  await turns.begin('a')
  const abort = new AbortController()
  const given = turns.begin('b', abort.signal)
  const next = turns.begin('c')
  abort.abort()
  expect([await given, turns.waiting]).toEqual([false, 1])
  turns.end('a')
  expect(await next).toBe(true)
})

test('P77: who has waited too long is refused, and who comes behind one that has waited for half of it, of the same tenant', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    const turns = new FairTurns(1, new FairShares(50).limit(100), 1_000)
    await turns.begin('a')
    const [first, other] = [turns.begin('a'), turns.begin('b')]
    vi.advanceTimersByTime(400)
    const second = turns.begin('a')
    vi.advanceTimersByTime(101)
    expect(await turns.begin('a')).toBe(false)
    const third = turns.begin('c')
    vi.advanceTimersByTime(499)
    expect([await first, await other]).toEqual([false, false])
    vi.advanceTimersByTime(399)
    expect(turns.waiting).toBe(2)
    turns.end('a')
    expect(await second).toBe(true)
    // The one that is left is refused in its own time.
    vi.advanceTimersByTime(102)
    expect([await third, turns.waiting]).toEqual([false, 0])
    turns.end('a')
    expect(await turns.begin('a')).toBe(true)
  } finally {
    vi.useRealTimers()
  }
})
