import type { Bench, WeftOptions } from '../bench.js'
import { Fleet } from '../load/fleet.js'
import { atMost } from '../report/result.js'
import { loadColumns, measureLoad } from './load-sample.js'
import { type Scenario, alternate } from './scenario.js'

const roomCount = 100
const updatesPerSecond = 1000

const acksOn = (name: string, title: string, store: NonNullable<WeftOptions['store']>): Scenario => ({
  name,
  title,
  async run(bench: Bench) {
    if (!bench.wantsWeft)
      return { scenario: name, title, columns: [], rows: [], goals: [], notes: ['Weft did not take part'] }
    const { weft } = await bench.weft({ store })
    const fleet = await Fleet.connect(weft, { rooms: roomCount, membersPerRoom: 2, writersPerRoom: 2 })
    await fleet.load(updatesPerSecond, 4)
    const rows = await alternate(bench, `${updatesPerSecond} updates/s`, [
      {
        name: weft.name,
        measure: () => measureLoad(fleet, weft, updatesPerSecond, bench.quick ? 2 : 5, 'update'),
      },
    ])
    fleet.close()
    // The figures are set for PostgreSQL; the embedded store is shown beside them.
    const goals =
      store === 'embedded'
        ? []
        : [
            atMost('ack p50 ms at 1,000 updates/s', 10, rows[0], 'ackP50'),
            atMost('ack p99 ms at 1,000 updates/s', 50, rows[0], 'ackP99'),
          ].filter((goal) => goal !== null)
    return { scenario: name, title, columns: loadColumns, rows, goals, notes: [] }
  },
})

/** How long until a change is durable. */
export const acks = acksOn('acks', '1,000 updates/s over 100 rooms, PostgreSQL', 'postgres')

/** The same on the built-in store. */
export const embedded = acksOn('embedded', '1,000 updates/s over 100 rooms, embedded store', 'embedded')
