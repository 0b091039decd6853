import { ProtocolError } from '@weft/protocol'
import { readPermissions, union, type Permissions } from './permissions.js'

/** One entry of the token's `rooms` claim. */
export interface Grant {
  readonly pattern: string
  readonly permissions: Permissions
}

/**
 * Reads the `rooms` claim: an object of room patterns and what they grant (see `readPermissions`). A pattern is a room
 * name, or ends in `*` and matches every name that starts like it. A token without the claim grants nothing (I8).
 * @throws {ProtocolError} `unauthorized` when the claim has another shape
 */
export const readGrants = (claim: unknown): Grant[] => {
  if (claim === undefined || claim === null) return []
  if (typeof claim !== 'object' || Array.isArray(claim)) {
    throw new ProtocolError('unauthorized', 'the claim "rooms" of the token is not an object of patterns')
  }
  return Object.entries(claim).flatMap(([pattern, value]: [string, unknown]): Grant[] => {
    const permissions = readPermissions(value)
    if (permissions === undefined) {
      throw new ProtocolError(
        'unauthorized',
        `the claim "rooms" of the token grants no access to ${JSON.stringify(pattern)}`,
      )
    }
    return permissions === null ? [] : [{ pattern, permissions }]
  })
}

/** Everything that the grants allow for a room; null for nothing. */
export const grantedIn = (grants: readonly Grant[], room: string): Permissions | null => {
  let granted: Permissions | null = null
  for (const { pattern, permissions } of grants)
    if (matches(pattern, room)) granted = union(granted, permissions)
  return granted
}

const matches = (pattern: string, room: string): boolean =>
  pattern.endsWith('*') ? room.startsWith(pattern.slice(0, -1)) : pattern === room
