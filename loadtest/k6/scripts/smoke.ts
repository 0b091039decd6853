/* Two rooms of three who type and one who reads: does it work at all? */
import { Crowd } from '../client/crowd.js'
import { type Run, common, optionsOf, options as settings, thresholds } from '../client/setup.js'

const seconds = settings.seconds('DURATION', '3s')
const rate = settings.number('RATE', 10, { min: 0.1 })

export const options = optionsOf(seconds, thresholds(), 1)

export { makeRun as setup } from '../client/setup.js'

export default async ({ run }: Run): Promise<void> => {
  const crowd = new Crowd()
  for (let room = 0; room < 2; room++)
    crowd.addRoom({ name: `load/${run}/${room}`, firstId: room * 4, typists: 3, readers: 1, observers: 1 })
  await crowd.join(common.settleSeconds * 1000)
  for (const member of crowd.members) member.show()
  await crowd.typeSteadily(rate, seconds)
  await crowd.finish()
}
