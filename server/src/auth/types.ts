import type { Permissions } from './permissions.js'

/** Who a connection belongs to, and what it may do. */
export interface Identity {
  /** The token's `sub`, or null for an anonymous user. */
  readonly user: string | null
  /** The token's `name`, for the server's log and the authorization hook. */
  readonly name: string | null
  /** Rooms of one tenant are invisible to others. '' is the default tenant. */
  readonly tenant: string
  /** When the token was made (`iat`), in milliseconds since 1970; null when it does not say. */
  readonly issued: number | null
  /** When the identity ends, in milliseconds since 1970; null for never. */
  readonly expires: number | null
  /** What the token grants in a room; null for nothing. What counts is what `Authority.permit` says. */
  granted(room: string): Permissions | null
}

/** Turns tokens into identities. */
export interface Authenticator {
  /** Whether anyone may connect without a token. Such a server listens on loopback only (I8). */
  readonly open: boolean
  /**
   * @param token the client's token, or null when it sent none
   * @throws {ProtocolError} `unauthorized`, `token_expired`; `internal` when the keys cannot be fetched now
   */
  verify(token: string | null): Promise<Identity>
}
