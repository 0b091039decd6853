import { createHash } from 'node:crypto'
import { decodeStateVector, encodeStateVector } from './state-vector.js'

/** A cache key for bytes: equal bytes, equal key. SHA-256, base64. */
export function contentKey(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64')
}

/**
 * A cache key for a state vector: equal for vectors that say the same, in whatever order they say it.
 * @throws {UpdateInvalidError}
 */
export function stateVectorKey(stateVector: Uint8Array): string {
  return Buffer.from(encodeStateVector(decodeStateVector(stateVector))).toString('base64')
}
