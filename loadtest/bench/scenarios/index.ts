import { acks, embedded } from './acks.js'
import { cluster } from './cluster.js'
import { coldJoin } from './cold-join.js'
import { fanout } from './fanout.js'
import { idle } from './idle.js'
import { join } from './join.js'
import { presence } from './presence.js'
import { reconnect } from './reconnect.js'
import { rooms } from './rooms.js'
import { traces } from './traces.js'
import type { Scenario } from './scenario.js'

/** Every scenario, in the order in which a whole run takes them. */
export const scenarios: readonly Scenario[] = [
  fanout,
  rooms,
  presence,
  traces,
  acks,
  embedded,
  join,
  coldJoin,
  reconnect,
  idle,
  cluster,
]
export type { Scenario } from './scenario.js'
