/** Messages between the nodes that have a room open. */
export { MemoryBus } from './memory-bus.js'
export type { Bus, BusMessage, BusPresence, NodeId, NodeMessage } from './types.js'
