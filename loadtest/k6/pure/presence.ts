import { readAwareness, writeAwareness } from '@weft/protocol'

/** Writes one member's presence, which tells when it was made. @param now in milliseconds since 1970 */
export const writePresence = (id: number, clock: number, now: number): Uint8Array =>
  writeAwareness([
    { clientId: id, clock, state: JSON.stringify({ user: { name: `user ${id}` }, cursor: clock, at: now }) },
  ])

const maxEntries = 1e6
const maxStateBytes = 1 << 20

/** @returns when each of the presence states was made, by id; those of members that are gone are left out */
export const readPresences = (awareness: Uint8Array): [id: number, at: number][] => {
  const times: [number, number][] = []
  for (const { clientId, state } of readAwareness(awareness, maxEntries, maxStateBytes)) {
    const value: unknown = state === null ? null : JSON.parse(state)
    if (typeof value === 'object' && value !== null && 'at' in value && typeof value.at === 'number')
      times.push([clientId, value.at])
  }
  return times
}
