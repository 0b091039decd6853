/** Messages between the nodes that have a room open. */
export { MemoryBus } from './memory-bus.js'
export { connectRedisBus, type RedisBus, type RedisBusObserver, type RedisBusOptions } from './redis-bus.js'
export { connectRedis } from './redis-links.js'
export { parseRedisUrl } from './redis-url.js'
export type { Bus, BusMessage, BusPresence, ControlCommand, NodeId, NodeMessage } from './types.js'
