import { createHash } from 'node:crypto'

/** A cache key for bytes: equal bytes, equal key. SHA-256, base64. */
export function contentKey(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64')
}
