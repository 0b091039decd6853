/*
 * What a load costs, from what its parts cost. Everything is linear here: coalescing and larger commits make real servers
 * cheaper than this where they are busy, so the model is on the safe side there.
 */

/** What people do, on one node or on several. */
export interface Load {
  readonly rooms: number
  readonly membersPerRoom: number
  /** Of all rooms together. Each goes to all members of its room but one, and is acknowledged. */
  readonly updatesPerSecond: number
  /** Nodes that the members of a room are spread over. 1: what one node has of a room, it has alone. */
  readonly nodes: number
}

/** What one of each costs, as it was measured. CPU in microseconds, memory in bytes. */
export interface UnitCosts {
  /** CPU of a node that takes updates, however many, per second: mostly its commits. */
  readonly node: number
  /** An update of a client: checked, journaled, acknowledged. */
  readonly update: number
  /** An update sent to one member. */
  readonly delivery: number
  /** A join of a small room: handshake, HELLO, JOIN, state. */
  readonly join: number
  /** What all nodes spend together on an update that also goes through Redis to one other node. */
  readonly relay: number
  /** PostgreSQL: per second for each node that commits, and per update. */
  readonly databaseNode: number
  readonly databaseUpdate: number
  /** Redis: per second for each node that commits (its notices and heartbeats), and per update. */
  readonly redisNode: number
  readonly redisUpdate: number
  /** A node that has been busy, without its connections and rooms. */
  readonly processBytes: number
  /** Group commits of a node that takes many updates, per second. */
  readonly commits: number
  readonly connectionBytes: number
  readonly roomBytes: number
  /** Sent to a member for an update, TCP and IP headers left out. */
  readonly deliveryBytes: number
}

/** Shares are of one core, 1 being all of it. */
export interface Prediction {
  /** Of all nodes together. */
  readonly nodeCpu: number
  readonly databaseCpu: number
  readonly redisCpu: number
  /** Resident bytes of all nodes together. */
  readonly memory: number
  /** Bytes per second to clients, of all nodes together. */
  readonly egress: number
}

const perCore = 1e6

/** What a load takes of each part. */
export const predict = (costs: UnitCosts, load: Load): Prediction => {
  const { rooms, membersPerRoom, updatesPerSecond, nodes } = load
  const deliveries = updatesPerSecond * (membersPerRoom - 1)
  const elsewhere = updatesPerSecond * (Math.min(nodes, membersPerRoom) - 1)
  return {
    nodeCpu:
      (nodes * costs.node +
        updatesPerSecond * costs.update +
        deliveries * costs.delivery +
        elsewhere * costs.relay) /
      perCore,
    databaseCpu: (nodes * costs.databaseNode + updatesPerSecond * costs.databaseUpdate) / perCore,
    redisCpu: nodes === 1 ? 0 : (nodes * costs.redisNode + elsewhere * costs.redisUpdate) / perCore,
    memory:
      nodes * costs.processBytes +
      rooms * membersPerRoom * costs.connectionBytes +
      rooms * Math.min(nodes, membersPerRoom) * costs.roomBytes,
    egress: deliveries * costs.deliveryBytes,
  }
}

/** Two measurements of the same thing at two rates. */
export interface Line {
  readonly base: number
  readonly slope: number
}

/** The line through two points. @throws {RangeError} when both are at the same rate */
export const lineThrough = (
  [x1, y1]: readonly [number, number],
  [x2, y2]: readonly [number, number],
): Line => {
  if (x1 === x2) throw new RangeError('two points at one rate make no line')
  const slope = (y2 - y1) / (x2 - x1)
  return { base: y1 - slope * x1, slope }
}

/**
 * Tells what an update costs from what a delivery costs: in rooms of `few` members an update has `few` - 1 deliveries, in rooms of
 * `many` it has `many` - 1.
 * @param small cost of an update with its deliveries in the small rooms, `large` in the large ones
 */
export const split = (
  small: number,
  few: number,
  large: number,
  many: number,
): { update: number; delivery: number } => {
  const delivery = (large - small) / (many - few)
  return { update: small - delivery * (few - 1), delivery }
}

/** How far a prediction is from what was measured, as a share of the latter: 0.1 is 10 % too much. */
export const error = (predicted: number, measured: number): number => predicted / measured - 1

/** What people do on the average, all day. */
export interface Habit {
  readonly membersPerRoom: number
  /** Of each person. */
  readonly updatesPerSecond: number
}

/** What so many nodes carry, and what that asks of the rest. */
export interface Carried {
  readonly people: number
  readonly updatesPerSecond: number
  readonly memoryPerNode: number
  readonly egress: number
  /** Cores of PostgreSQL, of all that there are. */
  readonly databaseCpu: number
  /** Cores of Redis, where every update goes through it to one other node. */
  readonly redisCpu: number
  /** Commit notices that arrive at nodes, per second: each node hears of those of all others. */
  readonly notices: number
}

/**
 * What nodes carry of which each may use so much of its core.
 * @param cells deployments of their own, with a database and a Redis each, that the nodes are divided into
 * @throws {RangeError} when a node has nothing left for people
 */
export const carried = (
  costs: UnitCosts,
  habit: Habit,
  nodes: number,
  cells: number,
  budget: number,
): Carried => {
  const { membersPerRoom, updatesPerSecond } = habit
  const relay = nodes === 1 ? 0 : costs.relay
  const each = updatesPerSecond * (costs.update + costs.delivery * (membersPerRoom - 1) + relay)
  const left = budget * perCore - costs.node
  if (left <= 0) throw new RangeError('a node has nothing left for people')
  const people = Math.floor(left / each) * nodes
  const updates = people * updatesPerSecond
  const perCell = nodes / cells
  return {
    people,
    updatesPerSecond: updates,
    memoryPerNode:
      costs.processBytes +
      (people / nodes) * costs.connectionBytes +
      (people / nodes / membersPerRoom) * costs.roomBytes,
    egress: updates * (membersPerRoom - 1) * costs.deliveryBytes,
    databaseCpu: (nodes * costs.databaseNode + updates * costs.databaseUpdate) / perCore,
    redisCpu: nodes === 1 ? 0 : (nodes * costs.redisNode + updates * costs.redisUpdate) / perCore,
    notices: cells * perCell * (perCell - 1) * costs.commits,
  }
}
