/* Rooms of a few who type faster and faster, until the updates come late: the knee is the last rate that held. */
import exec from 'k6/execution'
import { Counter } from 'k6/metrics'
import { paced } from '../client/crowd.js'
import { Rooms } from '../client/rooms.js'
import { type Run, common, optionsOf, options as settings, thresholds } from '../client/setup.js'

const rooms = new Rooms({ rooms: 20, typists: 2, readers: 0 })
const start = settings.number('RATE', 50, { min: 1 })
const factor = settings.number('FACTOR', 1.5, { min: 1.01, max: 100 })
const steps = settings.integer('STEPS', 10, { min: 1, max: 100 })
const seconds = settings.seconds('STEP', '5s')
const least = settings.number('MIN_KNEE', start, { min: 0 })

/** Of the deliveries of a step so many may come late: the limit is one of the 99th percentile. */
const lateShare = 0.01
/** Of the deliveries of a step so many may be under way at its end. */
const backlogShare = 0.05

const kneeUpdates = new Counter('weft_knee_updates')
const kneeDeliveries = new Counter('weft_knee_deliveries')

// Beyond the knee updates are late and may be refused: that is what is looked for.
export const options = optionsOf(rooms.joinSeconds + steps * (seconds + 1), {
  ...thresholds('weft_update_latency', 'weft_ack_latency', 'weft_refused'),
  weft_knee_updates: [`count>=${least}`],
})

export { makeRun as setup } from '../client/setup.js'

export default async (run: Run): Promise<void> => {
  const crowd = await rooms.gather(run)
  const { typing } = crowd
  const others = rooms.perRoom - 1
  let next = 0
  let knee = 0
  for (let step = 0; step < steps; step++) {
    const rate = start * factor ** step * rooms.share
    const updates = Math.ceil(rate * seconds)
    exec.vu.metrics.tags['step'] = String(step)
    crowd.counts.timed = crowd.counts.late = 0
    await paced(rate, updates, () => typing[next++ % typing.length]!.press())
    const { timed, late } = crowd.counts
    const backlog = crowd.missing()
    crowd.counts.flush()
    const expected = updates * others
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
  kneeDeliveries.add(knee * others)
  await crowd.finish()
}
