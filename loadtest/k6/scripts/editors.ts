/* Many rooms of a few who type, in the rhythm of somebody who once wrote. */
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

const rooms = settings.integer('ROOMS', 20, { min: 1 })
const typists = settings.integer('TYPISTS', 3, { min: 1 })
const readers = settings.integer('READERS', 0)
const seconds = settings.seconds('DURATION', '30s')
const speed = settings.number('SPEED', 1, { min: 0.01, max: 1000 })
const perRoom = typists + readers
const joinSeconds = (rooms * perRoom) / common.joinRate

export const options = {
  scenarios: { editors: once(joinSeconds + seconds + 2 * common.settleSeconds + 5) },
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
  const typing = crowd.members.filter(({ typist }) => typist !== null)
  await Promise.all([
    wait(seconds * 1000),
    ...typing.map((member) => typeInRhythm(member, recordedRhythm, speed, until)),
  ])
  await crowd.finish()
}
