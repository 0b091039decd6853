/* Rooms in which everybody moves the cursor all the time, and two type: what does it do to presence, and to the typing? */
import { Crowd, paced } from '../client/crowd.js'
import { type Run, common, optionsOf, options as settings, share, thresholds } from '../client/setup.js'

const rooms = settings.integer('ROOMS', 1, { min: 1 })
const members = settings.integer('MEMBERS', 100, { min: 2 })
const typists = 2
const seconds = settings.seconds('DURATION', '20s')
const presenceRate = settings.number('PRESENCE_RATE', 10, { min: 0.01 })
const rate = settings.number('RATE', 2, { min: 0.1 })
const observers = settings.integer('OBSERVERS', 5, { min: 1 })
const presenceP99 = settings.number('PRESENCE_P99_MS', 1000, { min: 1 })

export const options = optionsOf((rooms * members) / common.joinRate + seconds, {
  ...thresholds(),
  weft_presences: ['count>0'],
  weft_presence_latency: [`p(99)<${presenceP99}`],
})

export { makeRun as setup } from '../client/setup.js'

export default async ({ run }: Run): Promise<void> => {
  const crowd = new Crowd()
  const { from, to } = share(rooms)
  for (let room = from; room < to; room++)
    crowd.addRoom({
      name: `load/${run}/${room}`,
      firstId: room * members,
      typists,
      readers: members - typists,
      observers,
    })
  await crowd.join(common.settleSeconds * 1000)
  let next = 0
  const perSecond = crowd.members.length * presenceRate
  await Promise.all([
    paced(perSecond, Math.ceil(perSecond * seconds), () =>
      crowd.members[next++ % crowd.members.length]!.show(),
    ),
    crowd.typeSteadily(rate, seconds),
  ])
  await crowd.finish()
}
