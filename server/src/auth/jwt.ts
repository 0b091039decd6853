import { readFileSync } from 'node:fs'
import {
  createRemoteJWKSet,
  errors,
  importSPKI,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyOptions,
  type JWTVerifyGetKey,
} from 'jose'
import { isWellFormed, ProtocolError } from '@weft/protocol'
import { accessOf, readGrants } from './grants.js'
import type { Authenticator, Identity } from './types.js'

/** How tokens are verified; at most one of the keys. */
export interface AuthOptions {
  /** HS256 secret, at least 32 bytes. */
  readonly jwtSecret?: string | undefined
  /** A public key: SPKI PEM, or the path of a file with it (RS256, PS256, ES256, ES384, EdDSA by the key's kind). */
  readonly jwtPublicKey?: string | undefined
  /** Address of a JSON Web Key Set. */
  readonly jwtJwksUrl?: string | undefined
  /** The `iss` that tokens must have. */
  readonly jwtIssuer?: string | undefined
  /** The `aud` that tokens must have. */
  readonly jwtAudience?: string | undefined
}

/** Clock difference between the token's issuer and this machine, in seconds. */
const clockTolerance = 5
const asymmetric = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519']

const anybody: Identity = { user: null, name: null, tenant: '', expires: null, access: () => 'write' }

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
  const keys = [
    ['JWT_SECRET', options.jwtSecret],
    ['JWT_PUBLIC_KEY', options.jwtPublicKey],
    ['JWT_JWKS_URL', options.jwtJwksUrl],
  ].filter(([, value]) => value !== undefined)
  if (keys.length > 1) throw new Error(`Set one of ${keys.map(([name]) => name).join(' and ')}, not both.`)
  if (keys.length === 0) {
    if (options.jwtIssuer !== undefined || options.jwtAudience !== undefined) {
      throw new Error(
        'JWT_ISSUER and JWT_AUDIENCE need a key: set JWT_SECRET, JWT_PUBLIC_KEY or JWT_JWKS_URL.',
      )
    }
    return openAuthenticator
  }
  const { key, algorithms } = await importKey(options)
  const verifyOptions: JWTVerifyOptions = {
    algorithms,
    clockTolerance,
    ...(options.jwtIssuer === undefined ? {} : { issuer: options.jwtIssuer }),
    ...(options.jwtAudience === undefined ? {} : { audience: options.jwtAudience }),
  }
  return {
    open: false,
    verify: async (token) => {
      if (token === null || token === '') throw new ProtocolError('unauthorized', 'a token is needed')
      let payload: JWTPayload
      try {
        payload = (await jwtVerify(token, key, verifyOptions)).payload
      } catch (error) {
        throw asProtocolError(error)
      }
      return identityOf(payload)
    },
  }
}

const importKey = async (options: AuthOptions): Promise<{ key: JWTVerifyGetKey; algorithms: string[] }> => {
  if (options.jwtSecret !== undefined) {
    const secret = new TextEncoder().encode(options.jwtSecret)
    if (secret.length < 32)
      throw new Error('JWT_SECRET must have at least 32 bytes: a shorter one can be guessed.')
    return { key: () => secret, algorithms: ['HS256'] }
  }
  if (options.jwtJwksUrl !== undefined) {
    if (!URL.canParse(options.jwtJwksUrl) || !/^https?:$/.test(new URL(options.jwtJwksUrl).protocol)) {
      throw new Error('JWT_JWKS_URL must be a URL like https://auth.example.com/.well-known/jwks.json.')
    }
    return { key: createRemoteJWKSet(new URL(options.jwtJwksUrl)), algorithms: asymmetric }
  }
  const pem = readPem(options.jwtPublicKey ?? '')
  // The algorithms follow from the key, never from the token: the first that the key can be imported for.
  for (const algorithms of [['RS256', 'PS256'], ['ES256'], ['ES384'], ['EdDSA', 'Ed25519']]) {
    try {
      // An imported key is for one algorithm: an RSA key, which verifies both, is imported twice.
      const imported = await Promise.all(algorithms.map((algorithm) => importSPKI(pem, algorithm)))
      const keys = new Map(algorithms.map((algorithm, index) => [algorithm, imported[index]]))
      return {
        key: ({ alg }) => {
          const key = keys.get(alg)
          if (key === undefined) throw new errors.JOSEAlgNotAllowed(`the algorithm ${alg} is not accepted`)
          return key
        },
        algorithms,
      }
    } catch {
      continue // the key is of another kind
    }
  }
  throw new Error(
    'JWT_PUBLIC_KEY is not an SPKI PEM public key (RSA, P-256, P-384 or Ed25519), nor a file with one.',
  )
}

const readPem = (value: string): string => {
  if (value.includes('-----BEGIN')) return value.replaceAll('\\n', '\n')
  try {
    return readFileSync(value, 'utf8')
  } catch {
    throw new Error('JWT_PUBLIC_KEY is neither a PEM public key nor the path of a file that can be read.')
  }
}

const asProtocolError = (error: unknown): ProtocolError => {
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
  // The key server's fault and not the token's: the client may try again.
  if (
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    (error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC') ||
    (error instanceof TypeError && error.message === 'fetch failed')
  ) {
    return new ProtocolError('internal', 'the keys to verify tokens with could not be fetched')
  }
  return new ProtocolError('unauthorized', 'the token is not a valid JWT')
}

/** PostgreSQL stores neither NUL nor lone surrogates. */
const isStorable = (text: string): boolean => !text.includes('\0') && isWellFormed(text)

const identityOf = (payload: JWTPayload): Identity => {
  const { sub, name, tenant, exp } = payload
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
    // A fraction of a millisecond, or the year 300,000, is no integer of the protocol.
    expires: exp === undefined ? null : Math.min(Math.floor(exp * 1000), Number.MAX_SAFE_INTEGER),
    access: (room) => accessOf(grants, room),
  }
}
