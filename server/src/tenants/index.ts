/** What keeps the tenants of a node from taking it from each other: fair shares of its limits, and fair turns. */
export { FairShares, type Share, type SharedLimit } from './fair-shares.js'
export { FairTurns } from './fair-turns.js'
export { joinMs, LoopTurns, verifyMs, type LoopClock, type LoopLine } from './loop-turns.js'
export { TenantCounts, tenantSamples, type TenantSample, type TenantUsage } from './tenant-counts.js'
