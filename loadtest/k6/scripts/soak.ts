/* For hours: rooms in which people type, and which readers leave and come back to now and then. */
import { wait } from '../client/crowd.js'
import type { Member } from '../client/member.js'
import { Rooms } from '../client/rooms.js'
import { type Run, optionsOf, options as settings, thresholds } from '../client/setup.js'
import { recordedRhythm } from '../pure/recorded-rhythm.js'

const rooms = new Rooms({ rooms: 50, typists: 2, readers: 2 })
const seconds = settings.seconds('DURATION', '1h')
const speed = settings.number('SPEED', 1, { min: 0.01, max: 1000 })
/** Readers that lose their connection in a minute, of a hundred. */
const churn = settings.number('CHURN', 5, { min: 0, max: 6000 })

export const options = optionsOf(rooms.joinSeconds + seconds, thresholds())

export { makeRun as setup } from '../client/setup.js'

/** One reader after the other loses its connection. */
const cutInTurn = async (readers: readonly Member[]): Promise<void> => {
  const until = Date.now() + seconds * 1000
  // Without readers or churn that is never.
  const gapMs = 60_000 / ((readers.length * churn) / 100)
  for (let next = 0; Date.now() + gapMs < until; next++) {
    await wait(gapMs)
    readers[next % readers.length]!.cut(0)
  }
}

export default async (run: Run): Promise<void> => {
  const crowd = await rooms.gather(run)
  await Promise.all([cutInTurn(crowd.reading), crowd.typeInRhythm(recordedRhythm, speed, seconds)])
  await crowd.finish()
}
