/* Presence as tests write and read it. */
import { readAwareness, type AwarenessEntry } from '@weft/protocol'
import type { PresenceOwner } from '../presence-owner.js'

let connections = 0

export const connection = (user: string | null = 'ada', name = `conn-${++connections}`): PresenceOwner => ({
  user,
  connection: name,
})

export const entry = (clientId: number, clock: number, state: unknown): AwarenessEntry => ({
  clientId,
  clock,
  state: state === null ? null : JSON.stringify(state),
})

/** What a table says, by id. */
export const read = (update: Uint8Array | null): Record<number, [clock: number, state: unknown]> =>
  Object.fromEntries(
    (update === null ? [] : readAwareness(update, 1e6, 2e6)).map(({ clientId, clock, state }) => [
      clientId,
      [clock, JSON.parse(state ?? 'null') as unknown],
    ]),
  )
