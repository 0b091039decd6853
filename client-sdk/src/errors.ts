import { isRetryable } from '@weft/protocol'

/**
 * What the SDK throws, rejects with and reports. `code` is a code of the protocol's error table (PROTOCOL.md), or one
 * of the SDK's own: `invalid_url`, `no_websocket`, `auth_failed`, `connection_lost`, `connect_timeout`,
 * `heartbeat_timeout`, `gave_up`, `room_left`, `room_reset`, `room_in_use`, `client_closed`, `apply_failed`,
 * `invalid_payload`, `not_loaded`, `persistence_failed`, `persistence_damaged`, `wrong_user`.
 */
export class WeftError extends Error {
  override readonly name = 'WeftError'
  readonly code: string

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }

  /** Whether the same thing may succeed later without anybody changing anything. */
  get retryable(): boolean {
    return isRetryable(this.code)
  }
}

/** The error that a frame or a failure tells of. */
export const errorOf = ({ code, message }: { readonly code: string; readonly message: string }): WeftError =>
  new WeftError(code, message)

/** The message of whatever was thrown. */
export const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown)

/** Says that something has more bytes than it may; null when it has not. */
export const tooLarge = (what: string, { length }: Uint8Array, limit: number): string | null =>
  length <= limit ? null : `the ${what} has ${length} bytes and may have ${limit}`
