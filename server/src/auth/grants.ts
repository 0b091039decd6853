import { ProtocolError, type Access } from '@weft/protocol'

/** One entry of the token's `rooms` claim. */
export interface Grant {
  readonly pattern: string
  readonly access: Access
}

/**
 * Reads the `rooms` claim: an object of room patterns and `"read"` or `"write"` (or a list of permissions that holds one
 * of them). A pattern is a room name, or ends in `*` and matches every name that starts like it.
 * A token without the claim grants nothing (I8).
 * @throws {ProtocolError} `unauthorized` when the claim has another shape
 */
export const readGrants = (claim: unknown): Grant[] => {
  if (claim === undefined || claim === null) return []
  if (typeof claim !== 'object' || Array.isArray(claim)) {
    throw new ProtocolError('unauthorized', 'the claim "rooms" of the token is not an object of patterns')
  }
  return Object.entries(claim).flatMap(([pattern, value]: [string, unknown]): Grant[] => {
    const permissions: unknown[] = Array.isArray(value) ? value : [value]
    if (!permissions.every((permission) => typeof permission === 'string')) {
      throw new ProtocolError(
        'unauthorized',
        `the claim "rooms" of the token grants no access to ${JSON.stringify(pattern)}`,
      )
    }
    if (permissions.includes('write')) return [{ pattern, access: 'write' }]
    if (permissions.includes('read')) return [{ pattern, access: 'read' }]
    // A list without either (of permissions that a later version knows) grants nothing here.
    return []
  })
}

/** The most that the grants allow for a room. */
export const accessOf = (grants: readonly Grant[], room: string): Access | null => {
  let access: Access | null = null
  for (const grant of grants) {
    if (!matches(grant.pattern, room)) continue
    if (grant.access === 'write') return 'write'
    access = 'read'
  }
  return access
}

const matches = (pattern: string, room: string): boolean =>
  pattern.endsWith('*') ? room.startsWith(pattern.slice(0, -1)) : pattern === room
