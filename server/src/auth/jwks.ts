import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose'
import { ProtocolError } from '@weft/protocol'

export interface RemoteKeysOptions {
  /** Milliseconds that fetched keys are used before they are fetched again. */
  readonly jwtJwksCacheMs?: number | undefined
  /** Milliseconds between two fetches, whatever the tokens ask for: an unknown key, or a key server that fails. */
  readonly jwtJwksCooldownMs?: number | undefined
}

const timeoutMs = 5_000

/** The key server's fault and not the token's: the client may try again. */
const unavailable = (): ProtocolError =>
  new ProtocolError('internal', 'the keys to verify tokens with could not be fetched')

/**
 * The keys of a JSON Web Key Set. New ones are fetched when a token names one that is not known; those that were fetched
 * serve until `jwtJwksCacheMs` is over, and then none do until the key server answers again: a key that was withdrawn
 * must not outlive it.
 * @throws {Error} a sentence, for an address that is none
 */
export const remoteKeys = (address: string, options: RemoteKeysOptions): JWTVerifyGetKey => {
  if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol)) {
    throw new Error('JWT_JWKS_URL must be a URL like https://auth.example.com/.well-known/jwks.json.')
  }
  const cooldownDuration = options.jwtJwksCooldownMs ?? 30_000
  // jose cools down after a success only: a key server that is down would be asked for every token.
  const pauseMs = Math.min(1_000, cooldownDuration)
  let fetchedAt = -Infinity
  const keys = createRemoteJWKSet(new URL(address), {
    timeoutDuration: timeoutMs,
    cooldownDuration,
    cacheMaxAge: options.jwtJwksCacheMs ?? 600_000,
    [customFetch]: async (url, init) => {
      const now = performance.now()
      if (now - fetchedAt < pauseMs) throw unavailable()
      fetchedAt = now
      return await fetch(url, init)
    },
  })
  return async (header, token) => {
    const { coolingDown, fresh } = keys
    try {
      return await keys(header, token)
    } catch (error) {
      // The key may be a new one that must not be fetched yet: the token may be good in a moment.
      if (error instanceof errors.JWKSNoMatchingKey) {
        throw coolingDown && fresh ? unavailable() : error
      }
      if (error instanceof errors.JWKSMultipleMatchingKeys || error instanceof errors.JOSENotSupported)
        throw error
      throw unavailable()
    }
  }
}
