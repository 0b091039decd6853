import { SignJWT } from 'jose'

/** A secret for tests; a server started with it accepts the tokens below. */
export const testSecret = 'a secret for tests, of at least 32 bytes'

export interface TokenOptions {
  readonly user?: string
  /** Seconds since 1970. */
  readonly expires?: number
  readonly secret?: string
  readonly audience?: string
  readonly tenant?: string
  /** Seconds since 1970, with fractions; default: now. Null: the token does not say. */
  readonly issued?: number | null
}

/** A token that grants `rooms` (patterns to "read" or "write"). */
export const makeToken = async (
  rooms: Readonly<Record<string, unknown>> = { '*': 'write' },
  options: TokenOptions = {},
): Promise<string> => {
  const jwt = new SignJWT({ rooms, ...(options.tenant === undefined ? {} : { tenant: options.tenant }) })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(options.user ?? 'ada')
  if (options.issued !== null) jwt.setIssuedAt(options.issued ?? Date.now() / 1000)
  if (options.expires !== undefined) jwt.setExpirationTime(options.expires)
  if (options.audience !== undefined) jwt.setAudience(options.audience)
  return await jwt.sign(new TextEncoder().encode(options.secret ?? testSecret))
}

/** Seconds since 1970, `seconds` from now. */
export const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds
