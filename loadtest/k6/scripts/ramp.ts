/* Rooms of a few who type faster and faster, until the updates come late: the knee is the last rate that held. */
import exec from 'k6/execution'
import { Counter } from 'k6/metrics'
import { Crowd, paced } from '../client/crowd.js'
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

const rooms = settings.integer('ROOMS', 20, { min: 1 })
const typists = settings.integer('TYPISTS', 2, { min: 1 })
const readers = settings.integer('READERS', 0)
const start = settings.number('RATE', 50, { min: 1 })
const factor = settings.number('FACTOR', 1.5, { min: 1.01, max: 100 })
const steps = settings.integer('STEPS', 10, { min: 1, max: 100 })
const seconds = settings.seconds('STEP', '5s')
const least = settings.number('MIN_KNEE', start, { min: 0 })

const perRoom = typists + readers
const joinSeconds = (rooms * perRoom) / common.joinRate
/** Of the deliveries of a step so many may come late: the limit is one of the 99th percentile. */
const lateShare = 0.01
/** Of the deliveries of a step so many may be under way at its end. */
const backlogShare = 0.05

const kneeUpdates = new Counter('weft_knee_updates')
const kneeDeliveries = new Counter('weft_knee_deliveries')

export const options = {
  scenarios: { ramp: once(joinSeconds + steps * (seconds + 1) + 2 * common.settleSeconds + 5) },
  // Beyond the knee updates are late and may be refused: that is what is looked for.
  thresholds: {
    ...thresholds('weft_update_latency', 'weft_ack_latency', 'weft_refused'),
    weft_knee_updates: [`count>=${least}`],
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
  const typing = crowd.members.filter(({ typist }) => typist !== null)
  let next = 0
  let knee = 0
  for (let step = 0; step < steps; step++) {
    const rate = (start * factor ** step * (to - from)) / rooms
    const updates = Math.ceil(rate * seconds)
    exec.vu.metrics.tags['step'] = String(step)
    crowd.counts.timed = crowd.counts.late = 0
    await paced(rate, updates, () => typing[next++ % typing.length]!.press())
    const { timed, late } = crowd.counts
    const backlog = crowd.missing()
    crowd.counts.flush()
    const expected = updates * (perRoom - 1)
    const held = timed > 0 && late <= timed * lateShare && backlog <= expected * backlogShare
    console.log(
      `step ${step}: ${Math.round(rate)} updates/s, ${Math.round(expected / seconds)} deliveries/s of this VU: ` +
        `${((100 * late) / Math.max(1, timed)).toFixed(1)} % after more than ${common.updateP99} ms, ` +
        `${backlog} under way at the end: ${held ? 'held' : 'not held'}`,
    )
    if (!held) break
    knee = rate
  }
  kneeUpdates.add(knee)
  kneeDeliveries.add(knee * (perRoom - 1))
  await crowd.finish()
}
