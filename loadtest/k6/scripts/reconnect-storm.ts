/* All readers of all rooms lose their connections at once, again and again, while others type on. */
import { wait } from '../client/crowd.js'
import type { Member } from '../client/member.js'
import { Rooms } from '../client/rooms.js'
import { type Run, optionsOf, options as settings, thresholds } from '../client/setup.js'

const rooms = new Rooms({ rooms: 10, typists: 1, readers: 10 }, 1)
const storms = settings.integer('STORMS', 3, { min: 1 })
const every = settings.seconds('EVERY', '5s')
const spread = settings.seconds('SPREAD', '100ms')
const away = settings.seconds('AWAY', '0ms')
const rate = settings.number('RATE', 2, { min: 0.1 })
const resyncP95 = settings.number('RESYNC_P95_MS', 2000, { min: 1 })
/** Typists type on while they are away, and send again what was not acknowledged: the server may then relay it twice. */
const cutsTypists = settings.choice('CUT_TYPISTS', 'no', ['yes', 'no']) === 'yes'

const seconds = (storms + 1) * every
const meaningless = cutsTypists ? ['weft_duplicates', 'weft_update_latency', 'weft_ack_latency'] : []

export const options = optionsOf(rooms.joinSeconds + seconds, {
  ...thresholds(...meaningless),
  weft_reconnects: [`count>=${storms * rooms.rooms * rooms.readers}`],
  weft_resync_time: [`p(95)<${resyncP95}`],
})

export { makeRun as setup } from '../client/setup.js'

const storm = async (members: readonly Member[]): Promise<void> => {
  for (let i = 0; i < storms; i++) {
    await wait(every * 1000)
    for (const member of members) member.cut((away + Math.random() * spread) * 1000)
  }
}

export default async (run: Run): Promise<void> => {
  const crowd = await rooms.gather(run)
  await Promise.all([storm(cutsTypists ? crowd.members : crowd.reading), crowd.typeSteadily(rate, seconds)])
  await crowd.finish()
}
