import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose'
import { isWellFormed, ProtocolError, WireLimits } from '@weft/protocol'
import { grantedIn, readGrants } from './grants.js'
import { importKeys, type KeyOptions, type VerifyingKey } from './keys.js'
import { mayAll } from './permissions.js'
import type { Authenticator, Identity } from './types.js'

/** How tokens are verified; at most one kind of key. */
export interface AuthOptions extends KeyOptions {
  /** HS256 secrets of at least 32 bytes, one a line. Any of them may have signed a token. */
  readonly jwtSecret?: string | undefined
  /** Public keys: SPKI PEM blocks, or the path of a file with them (RS256, PS256, ES256, ES384, EdDSA by the key's kind). */
  readonly jwtPublicKey?: string | undefined
  /** Address of a JSON Web Key Set. */
  readonly jwtJwksUrl?: string | undefined
  /** The `iss` that tokens must have. */
  readonly jwtIssuer?: string | undefined
  /** The `aud` that tokens must have. */
  readonly jwtAudience?: string | undefined
  /** Clock difference between the token's issuer and this machine, in milliseconds. Default: 5,000. */
  readonly jwtClockToleranceMs?: number | undefined
}

const anybody: Identity = {
  user: null,
  name: null,
  tenant: '',
  issued: null,
  expires: null,
  granted: () => mayAll,
}

/** Without a key: everybody may do everything. The server then listens on loopback only (I8). */
const openAuthenticator: Authenticator = {
  open: true,
  verify: () => Promise.resolve(anybody),
}

/**
 * Makes the authenticator for the settings.
 * @throws {Error} one sentence that names the setting at fault
 */
export const createAuthenticator = async (options: AuthOptions): Promise<Authenticator> => {
  const given = [
    ['JWT_SECRET', options.jwtSecret],
    ['JWT_PUBLIC_KEY', options.jwtPublicKey],
    ['JWT_JWKS_URL', options.jwtJwksUrl],
  ].filter(([, value]) => value !== undefined)
  if (given.length > 1) throw new Error(`Set one of ${given.map(([name]) => name).join(' and ')}, not both.`)
  if (given.length === 0) {
    if (options.jwtIssuer !== undefined || options.jwtAudience !== undefined) {
      throw new Error(
        'JWT_ISSUER and JWT_AUDIENCE need a key: set JWT_SECRET, JWT_PUBLIC_KEY or JWT_JWKS_URL.',
      )
    }
    return openAuthenticator
  }
  const keys = await importKeys(options)
  const verifyOptions: JWTVerifyOptions = {
    clockTolerance: (options.jwtClockToleranceMs ?? 5_000) / 1_000,
    ...(options.jwtIssuer === undefined ? {} : { issuer: options.jwtIssuer }),
    ...(options.jwtAudience === undefined ? {} : { audience: options.jwtAudience }),
  }
  return {
    open: false,
    verify: async (token) => {
      if (token === null || token === '') throw new ProtocolError('unauthorized', 'a token is needed')
      // Before anything is done with its bytes.
      if (token.length > WireLimits.tokenBytes)
        throw new ProtocolError('unauthorized', 'the token is too long')
      try {
        return identityOf(await verifyByAny(token, keys, verifyOptions))
      } catch (error) {
        throw asProtocolError(error)
      }
    },
  }
}

/** Tries the keys that are for the token's algorithm, until one verifies it. */
const verifyByAny = async (
  token: string,
  keys: readonly VerifyingKey[],
  options: JWTVerifyOptions,
): Promise<JWTPayload> => {
  const { alg } = decodeProtectedHeader(token)
  const candidates = keys.filter(({ algorithms }) => alg !== undefined && algorithms.includes(alg))
  let refusal: unknown = new errors.JOSEAlgNotAllowed('no key is for this algorithm')
  for (const { key, algorithms } of candidates) {
    try {
      return (await jwtVerify(token, key, { ...options, algorithms: [...algorithms] })).payload
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys) {
        const matching: VerifyingKey[] = []
        for await (const one of error) matching.push({ algorithms, key: () => one })
        return await verifyByAny(token, matching, options)
      }
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error
      refusal = error
    }
  }
  throw refusal
}

const asProtocolError = (error: unknown): ProtocolError => {
  if (error instanceof ProtocolError) return error
  if (error instanceof errors.JWTExpired) return new ProtocolError('token_expired', 'the token has expired')
  if (error instanceof errors.JWTClaimValidationFailed) {
    return new ProtocolError('unauthorized', `the token's claim "${error.claim}" is not accepted`)
  }
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey) {
    return new ProtocolError('unauthorized', "the token's signature does not verify")
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return new ProtocolError('unauthorized', "the token's algorithm is not accepted")
  }
  return new ProtocolError('unauthorized', 'the token is not a valid JWT')
}

/** PostgreSQL stores neither NUL nor lone surrogates. */
const isStorable = (text: string): boolean => !text.includes('\0') && isWellFormed(text)

/** A fraction of a millisecond, or the year 300,000, is no integer of the protocol. */
const milliseconds = (seconds: number | undefined): number | null =>
  seconds === undefined ? null : Math.min(Math.floor(seconds * 1000), Number.MAX_SAFE_INTEGER)

const identityOf = (payload: JWTPayload): Identity => {
  const { sub, name, tenant, exp, iat } = payload
  if (typeof sub !== 'string' || sub === '' || sub.length > 256 || !isStorable(sub)) {
    throw new ProtocolError('unauthorized', 'the token has no claim "sub" of 1 to 256 characters')
  }
  if (tenant !== undefined && (typeof tenant !== 'string' || tenant.length > 256 || !isStorable(tenant))) {
    throw new ProtocolError(
      'unauthorized',
      'the claim "tenant" of the token is not a string of at most 256 characters',
    )
  }
  const grants = readGrants(payload['rooms'])
  return {
    user: sub,
    name: typeof name === 'string' ? name : null,
    tenant: typeof tenant === 'string' ? tenant : '',
    issued: milliseconds(iat),
    expires: milliseconds(exp),
    granted: (room) => grantedIn(grants, room),
  }
}
