import { beforeEach, expect, test } from 'vitest'
import { FairShares } from './fair-shares.js'
import { LoopTurns, type LoopLine } from './loop-turns.js'

/* A clock that goes when something is done, and turns that end when the test says so. */

let now: number
let ends: (() => void)[]
let timers: { at: number; run: () => void }[]
let turns: LoopTurns

const start = (percent: number): void => {
  now = 0
  ends = []
  timers = []
  const clock = {
    now: () => now,
    afterTurn: (run: () => void) => void ends.push(run),
    after: (ms: number, run: () => void) => void timers.push({ at: now + ms, run }),
  }
  const shares = new FairShares(percent)
  shares.meet('red')
  turns = new LoopTurns(shares.limit(1e9), clock)
}
beforeEach(() => start(50))

const endTurn = (): void => {
  const due = ends
  ends = []
  for (const run of due) run()
}
const pass = (ms: number): void => {
  now += ms
  const due = timers.filter(({ at }) => at <= now)
  timers = timers.filter(({ at }) => at > now)
  for (const { run } of due) run()
}
const work = (line: LoopLine, ms: number): void => {
  line.run(() => (now += ms))
}

test('P83: what a tenant wants done beyond its slice waits for the next turn, in order; others go on', () => {
  const [red, blue] = [turns.of('red'), turns.of('blue')]
  expect(turns.of('red')).toBe(red)
  const done: string[] = []
  const ask = (name: string): void => {
    red.wait(() => {
      done.push(name)
      work(red, 3)
    })
  }
  work(red, 4.5)
  expect([red.isOver, blue.isOver]).toEqual([true, false])
  for (const name of ['a', 'b', 'c', 'd']) ask(name)
  endTurn()
  expect(done).toEqual(['a', 'b'])
  ask('e')
  expect(red.isOver).toBe(true)
  pass(2)
  endTurn()
  pass(2)
  expect(done).toEqual(['a', 'b', 'c', 'd'])
  endTurn()
  pass(2)
  expect(done).toEqual(['a', 'b', 'c', 'd', 'e'])
  endTurn()
  expect(red.isOver).toBe(false)
})

test('P83: one thing that takes long is made up for: of the time after it the others have their share', () => {
  const red = turns.of('red')
  work(red, 104)
  endTurn()
  pass(99)
  expect(red.isOver).toBe(true)
  pass(1)
  expect(red.isOver).toBe(false)
})

test('P83: frames cost by their receivers and bytes; a join waits for its turn', async () => {
  const red = turns.of('red')
  red.delivers(1_000, 10)
  expect(red.isOver).toBe(false)
  red.delivers(1_000, 100)
  expect(red.isOver).toBe(true)
  let joined = false
  const join = red.turn(1)?.then(() => (joined = true))
  await Promise.resolve()
  expect(joined).toBe(false)
  endTurn()
  await join
  expect(joined).toBe(true)
  expect(red.turn(1)).toBe(null)
})

test('with a share of 100 %, and for one tenant without a name, no message waits', () => {
  start(100)
  const red = turns.of('red')
  work(red, 1_000)
  expect(red.isOver).toBe(false)
  const alone = new LoopTurns(new FairShares(50).limit(1e9))
  const line = alone.of('')
  line.spend(1_000)
  expect(line.isOver).toBe(false)
  // Who a stranger is of is not known.
  expect([alone.strangers.turn(5), alone.strangers.isOver]).toEqual([null, true])
})

/** One tenant, who has the node to itself and so never rests. */
const alone = (): LoopLine =>
  new LoopTurns(new FairShares(50).limit(1e9), {
    now: () => now,
    afterTurn: (run) => void ends.push(run),
    after: () => expect.unreachable('one who is alone does not rest'),
  }).of('')

test('P83: what asks for a turn is spread over several where one tenant is alone as well, and nobody rests', async () => {
  const line = alone()
  const begun: number[] = []
  const asked = Array.from({ length: 25 }, async (_, i) => {
    await line.turn(1)
    begun.push(i)
  })
  const settled = async (): Promise<number> => {
    await Promise.all([Promise.resolve(), Promise.resolve()])
    await Promise.resolve()
    return begun.length
  }
  expect(await settled()).toBe(10)
  expect(line.isOver).toBe(false)
  endTurn()
  expect(await settled()).toBe(20)
  endTurn()
  await Promise.all(asked)
  expect(begun).toEqual(Array.from({ length: 25 }, (_, i) => i))
})

test('P83: what is done in turn is counted by the time that it takes, and what it throws is its own', async () => {
  const line = alone()
  const done: number[] = []
  const look = (i: number): Promise<number> =>
    line.inTurn(() => {
      now += 6
      if (i === 1) throw new Error('no update')
      return done.push(i)
    })
  const looked = [0, 1, 2, 3].map(look)
  await expect(looked[1]).rejects.toThrow('no update')
  expect(done).toEqual([0])
  endTurn()
  await Promise.all([looked[2], looked[3]])
  expect(done).toEqual([0, 2, 3])
})
