/* All readers of all rooms lose their connections at once, again and again, while others type on. */
import { Crowd, paced, wait } from '../client/crowd.js'
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

const rooms = settings.integer('ROOMS', 10, { min: 1 })
const typists = settings.integer('TYPISTS', 1, { min: 1 })
const readers = settings.integer('READERS', 10, { min: 1 })
const storms = settings.integer('STORMS', 3, { min: 1 })
const every = settings.seconds('EVERY', '5s')
const spread = settings.seconds('SPREAD', '100ms')
const away = settings.seconds('AWAY', '0ms')
const rate = settings.number('RATE', 2, { min: 0.1 })
const resyncP95 = settings.number('RESYNC_P95_MS', 2000, { min: 1 })
/** Typists type on while they are away, and send again what was not acknowledged: the server may then relay it twice. */
const cutsTypists = settings.choice('CUT_TYPISTS', 'no', ['yes', 'no']) === 'yes'

const perRoom = typists + readers
const seconds = (storms + 1) * every
const joinSeconds = (rooms * perRoom) / common.joinRate

export const options = {
  scenarios: { storm: once(joinSeconds + seconds + 2 * common.settleSeconds + 5) },
  thresholds: {
    ...thresholds(...(cutsTypists ? ['weft_duplicates', 'weft_update_latency', 'weft_ack_latency'] : [])),
    weft_reconnects: [`count>=${storms * rooms * readers}`],
    weft_resync_time: [`p(95)<${resyncP95}`],
  },
  summaryTrendStats,
}

export const setup = makeRun

export default async ({ run }: Run): Promise<void> => {
  const crowd = new Crowd()
  const { from, to } = share(rooms)
  for (let room = from; room < to; room++)
    crowd.addRoom({ name: `load/${run}/${room}`, firstId: room * perRoom, typists, readers })
  await crowd.join(common.settleSeconds * 1000)
  const storm = async (): Promise<void> => {
    for (let i = 0; i < storms; i++) {
      await wait(every * 1000)
      for (const member of crowd.members)
        if (cutsTypists || member.typist === null) member.cut((away + Math.random() * spread) * 1000)
    }
  }
  const typing = crowd.members.filter(({ typist }) => typist !== null)
  await Promise.all([
    storm(),
    ...typing.map((member) => paced(rate, Math.ceil(rate * seconds), () => member.press())),
  ])
  await crowd.finish()
}
