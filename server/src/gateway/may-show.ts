import type { AwarenessEntry } from '@weft/protocol'
import type { Membership } from './membership.js'

/** Whether a member may say this about its presence (P82): who may show none may still leave. */
export const mayShow = (member: Membership, entries: readonly AwarenessEntry[]): boolean =>
  member.permissions.presence || entries.every(({ state }) => state === null)
