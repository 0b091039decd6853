/**
 * Bytes that are not a Yjs update (v1) or state vector, or that would make Yjs fail later. Nothing of it was taken over.
 */
export class UpdateInvalidError extends Error {
  override readonly name = 'UpdateInvalidError'
  readonly code = 'update_invalid'
}
