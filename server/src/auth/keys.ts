/* The keys that tokens verify with. What algorithms a token may use follows from the key, never from the token. */
import { readFileSync } from 'node:fs'
import { errors, importSPKI, type CryptoKey, type JWTVerifyGetKey } from 'jose'
import { remoteKeys, type RemoteKeysOptions } from './jwks.js'

/** One key, for the algorithms that it is good for. */
export interface VerifyingKey {
  readonly algorithms: readonly string[]
  readonly key: JWTVerifyGetKey
}

/** Where the keys are. */
export interface KeyOptions extends RemoteKeysOptions {
  readonly jwtSecret?: string | undefined
  readonly jwtPublicKey?: string | undefined
  readonly jwtJwksUrl?: string | undefined
}

/** By the kind of a public key: an RSA key verifies both. */
const algorithmsByKind = [['RS256', 'PS256'], ['ES256'], ['ES384'], ['EdDSA', 'Ed25519']] as const

/** @throws {Error} one sentence that names the setting at fault */
export const importKeys = async (options: KeyOptions): Promise<VerifyingKey[]> => {
  const { jwtSecret, jwtJwksUrl, jwtPublicKey } = options
  if (jwtSecret !== undefined) return secretsOf(jwtSecret).map(secretKey)
  if (jwtJwksUrl !== undefined)
    return [{ algorithms: algorithmsByKind.flat(), key: remoteKeys(jwtJwksUrl, options) }]
  return await Promise.all(pemsOf(readPem(jwtPublicKey ?? '')).map(publicKey))
}

/**
 * The secrets of `JWT_SECRET`: one a line, so that none of the characters of a secret means anything.
 * @throws {Error} one sentence that names the setting
 */
export const secretsOf = (setting: string): string[] => {
  const secrets = setting.split(/\r?\n/).filter((line) => line !== '')
  if (secrets.length === 0 || secrets.some((secret) => Buffer.byteLength(secret) < 32)) {
    throw new Error('JWT_SECRET must have at least 32 bytes a line: a shorter one can be guessed.')
  }
  return secrets
}

const secretKey = (secret: string): VerifyingKey => {
  const bytes = new TextEncoder().encode(secret)
  return { algorithms: ['HS256'], key: () => bytes }
}

const readPem = (value: string): string => {
  if (value.includes('-----BEGIN')) return value.replaceAll('\\n', '\n')
  try {
    return readFileSync(value, 'utf8')
  } catch {
    throw new Error('JWT_PUBLIC_KEY is neither a PEM public key nor the path of a file that can be read.')
  }
}

/** The blocks of a bundle; a text without any is one that will not import. */
const pemsOf = (text: string): string[] =>
  text.match(/-----BEGIN [^-]+-----[^-]*-----END [^-]+-----/g) ?? [text]

const publicKey = async (pem: string): Promise<VerifyingKey> => {
  for (const algorithms of algorithmsByKind) {
    try {
      // An imported key is for one algorithm: an RSA key is imported twice.
      const imported = await Promise.all(
        algorithms.map(async (alg): Promise<[string, CryptoKey]> => [alg, await importSPKI(pem, alg)]),
      )
      const keys = new Map(imported)
      return {
        algorithms,
        key: ({ alg }) => {
          const key = keys.get(alg)
          if (key === undefined) throw new errors.JOSEAlgNotAllowed(`the algorithm ${alg} is not accepted`)
          return key
        },
      }
    } catch {
      continue // the key is of another kind
    }
  }
  throw new Error(
    'JWT_PUBLIC_KEY holds something that is no SPKI PEM public key (RSA, P-256, P-384 or Ed25519), nor a file with such keys.',
  )
}
