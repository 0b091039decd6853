/* For hours: rooms in which people type, and from which somebody goes and comes back now and then. */
import { Crowd, typeInRhythm, wait } from '../client/crowd.js'
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
import { recordedRhythm } from '../pure/recorded-rhythm.js'

const rooms = settings.integer('ROOMS', 50, { min: 1 })
const typists = settings.integer('TYPISTS', 2, { min: 1 })
const readers = settings.integer('READERS', 2)
const seconds = settings.seconds('DURATION', '1h')
const speed = settings.number('SPEED', 1, { min: 0.01, max: 1000 })
/** Readers that lose their connection in a minute, of a hundred. */
const churn = settings.number('CHURN', 5, { min: 0, max: 6000 })
const perRoom = typists + readers
const joinSeconds = (rooms * perRoom) / common.joinRate

export const options = {
  scenarios: { soak: once(joinSeconds + seconds + 2 * common.settleSeconds + 5) },
  thresholds: thresholds(),
  summaryTrendStats,
}

export const setup = makeRun

export default async ({ run }: Run): Promise<void> => {
  const crowd = new Crowd()
  const { from, to } = share(rooms)
  for (let room = from; room < to; room++)
    crowd.addRoom({ name: `load/${run}/${room}`, firstId: room * perRoom, typists, readers })
  await crowd.join(common.settleSeconds * 1000)
  const until = Date.now() + seconds * 1000
  const reading = crowd.members.filter(({ typist }) => typist === null)
  const typing = crowd.members.filter(({ typist }) => typist !== null)
  const churnMs = 60_000 / ((reading.length * churn) / 100)
  const leave = async (): Promise<void> => {
    for (let next = 0; Date.now() + churnMs < until; next++) {
      await wait(churnMs)
      reading[next % reading.length]!.cut(0)
    }
  }
  await Promise.all([
    wait(seconds * 1000),
    reading.length === 0 || churn === 0 ? null : leave(),
    ...typing.map((member) => typeInRhythm(member, recordedRhythm, speed, until)),
  ])
  await crowd.finish()
}
