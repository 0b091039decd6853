import type { SessionLimits } from './limits.js'

/** What a server uses when nothing else is set. In a file of its own: bundlers keep what is computed. */
export const defaultSessionLimits: SessionLimits = {
  frameBytes: 32 * 1024 * 1024,
  updateBytes: 16 * 1024 * 1024,
  eventBytes: 64 * 1024,
  presenceBytes: 16 * 1024,
  roomsPerConnection: 1000,
}
