/*
 * One room: one who types at a steady rate, thousands who read, and presence of some. The readers may be spread over many VUs, and
 * over many machines: that of the writer's updates which do not arrive is known from the plan, which all of them share.
 */
import { Crowd, clientOf, paced, wait } from '../client/crowd.js'
import {
  type Run,
  common,
  makeRun,
  once,
  options as settings,
  share,
  summaryTrendStats,
  thresholds,
} from '../client/setup.js'

const readers = settings.integer('READERS', 500, { min: 1 })
const seconds = settings.seconds('DURATION', '20s')
const rate = settings.number('RATE', 5, { min: 0.1 })
const shown = settings.integer('PRESENT', 20)
const presenceRate = settings.number('PRESENCE_RATE', 1, { min: 0.01 })
const hasWriter = settings.choice('WRITER', 'yes', ['yes', 'no']) === 'yes'
/** Numbers of readers on other machines that come before those here. */
const firstReader = settings.integer('FIRST_READER', 0)

const updates = Math.ceil(rate * seconds)
/** The writer begins when the readers have had the time to join. */
const joinSeconds = readers / common.joinRate + 5
const wholeSeconds = joinSeconds + seconds
const writerId = 0

export const options = {
  scenarios: {
    readers: once(wholeSeconds, 'read'),
    ...(hasWriter ? { writer: once(wholeSeconds, 'write', 1) } : {}),
  },
  thresholds: thresholds(),
  summaryTrendStats,
}

export const setup = (): Run & { start: number } => ({
  ...makeRun(),
  start: Date.now() + joinSeconds * 1000,
})

const nameOf = (run: string): string => `load/${run}/big`

export const write = async ({ run, start }: Run & { start: number }): Promise<void> => {
  const crowd = new Crowd()
  const [writer] = crowd.addRoom({ name: nameOf(run), firstId: writerId, typists: 1, readers: 0 })
  await crowd.join(joinSeconds * 1000)
  await wait(start - Date.now())
  await paced(rate, updates, () => writer!.press())
  await crowd.finish()
}

export const read = async ({ run, start }: Run & { start: number }): Promise<void> => {
  const crowd = new Crowd()
  const { from, to } = share(readers)
  const publisher = { client: clientOf(writerId), count: updates }
  const members = crowd.addRoom({
    name: nameOf(run),
    firstId: 1 + firstReader + from,
    typists: 0,
    readers: to - from,
    observers: 1,
    publishers: [publisher],
  })
  const present = members.slice(0, Math.max(0, Math.min(to, shown) - from))
  await crowd.join(start - Date.now())
  await wait(start - Date.now())
  let next = 0
  const moves = Math.ceil(present.length * presenceRate * seconds)
  await Promise.all([
    wait(seconds * 1000),
    present.length === 0
      ? null
      : paced(present.length * presenceRate, moves, () => present[next++ % present.length]!.show()),
  ])
  await crowd.finish()
}
