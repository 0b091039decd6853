/* Many rooms of a few who type, in the rhythm of somebody who once wrote. */
import { Rooms } from '../client/rooms.js'
import { type Run, optionsOf, options as settings, thresholds } from '../client/setup.js'
import { recordedRhythm } from '../pure/recorded-rhythm.js'

const rooms = new Rooms({ rooms: 20, typists: 3, readers: 0 })
const seconds = settings.seconds('DURATION', '30s')
const speed = settings.number('SPEED', 1, { min: 0.01, max: 1000 })

export const options = optionsOf(rooms.joinSeconds + seconds, thresholds())

export { makeRun as setup } from '../client/setup.js'

export default async (run: Run): Promise<void> => {
  const crowd = await rooms.gather(run)
  await crowd.typeInRhythm(recordedRhythm, speed, seconds)
  await crowd.finish()
}
