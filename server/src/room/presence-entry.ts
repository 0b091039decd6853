import type { AwarenessEntry } from '@weft/protocol'
import type { BusPresence } from '../bus/index.js'
import type { Holder } from './presence-owner.js'

/** What an awareness id shows. */
export interface PresenceEntry extends Holder {
  /** The announced one. */
  clock: number
  /** The clock that the owner's node gave; for an owner on this node the announced one. */
  base: number
  state: string
  /** When the clock was last raised because another node had announced a higher one. */
  raisedAt: number
  /** When the owner claimed the id with its first frame, while that claim may be renewed; see `defends`. */
  claimed: number
  /**
   * The latest states announced under a clock that the table had raised. They come back as the owner's own, also late: one
   * of them is not a change, or two states would take turns for ever.
   */
  raised: readonly { readonly clock: number; readonly state: string }[]
}

/** A round trip's worth of raised announcements of one id. */
const raisedKept = 4

export const entryOf = (
  { owner, node }: Holder,
  clock: number,
  base: number,
  state: string,
): PresenceEntry => ({
  owner,
  node,
  clock,
  base,
  state,
  raisedAt: -Infinity,
  claimed: -Infinity,
  raised: [],
})

/** As other nodes are to hear of it. */
export const toldOf = (
  clientId: number,
  { owner, clock, state }: Holder & { readonly clock: number; readonly state?: string },
): BusPresence => ({
  connection: owner.connection,
  user: owner.user,
  clientId,
  clock,
  state: state ?? null,
})

/** The owner's own state come back to it under a raised clock, and sent again as stock clients do. */
export const isEcho = (entry: AwarenessEntry, current: PresenceEntry): boolean =>
  entry.clock <= current.clock &&
  (entry.state === current.state ||
    current.raised.some(({ clock, state }) => clock === entry.clock && state === entry.state))

/** Notes what an entry shows now, if its owner gave a lower clock than is announced. @param given the owner's clock */
export const noteRaised = (entry: PresenceEntry, given: number): void => {
  const { clock, state } = entry
  if (clock > given) entry.raised = [...entry.raised.slice(1 - raisedKept), { clock, state }]
  // Its owner knows every clock up to its own: what was raised before is not on its way any more.
  else if (entry.raised.length > 0) entry.raised = entry.raised.filter((raised) => raised.clock > given)
}
