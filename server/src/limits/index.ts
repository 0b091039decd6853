/** What clients may do at most, and how it is counted. */
export { Admission, type Place, type Refused } from './admission.js'
export type { Counted } from './connection-counts.js'
export { addressOf } from './networks.js'
export { limitNames, type LimitName } from './names.js'
export { LoopDelay, loopTickMs } from './loop-delay.js'
export { MessageRate, rateLimits, type RateLimits } from './rate.js'
export { SharedLimits } from './shared-limits.js'
