/* Two rooms of three who type and one who reads: does it work at all? */
import { Crowd, paced } from '../client/crowd.js'
import {
  type Run,
  common,
  makeRun,
  once,
  options as settings,
  summaryTrendStats,
  thresholds,
} from '../client/setup.js'

const seconds = settings.seconds('DURATION', '3s')
const rate = settings.number('RATE', 10, { min: 0.1 })

export const options = {
  scenarios: { smoke: once(seconds + 2 * common.settleSeconds + 5, 'default', 1) },
  thresholds: thresholds(),
  summaryTrendStats,
}

export const setup = makeRun

export default async ({ run }: Run): Promise<void> => {
  const crowd = new Crowd()
  for (let room = 0; room < 2; room++)
    crowd.addRoom({ name: `load/${run}/${room}`, firstId: room * 4, typists: 3, readers: 1, observers: 1 })
  await crowd.join(common.settleSeconds * 1000)
  for (const member of crowd.members) member.show()
  const typing = crowd.members.filter(({ typist }) => typist !== null)
  await Promise.all(typing.map((member) => paced(rate, Math.ceil(rate * seconds), () => member.press())))
  await crowd.finish()
}
