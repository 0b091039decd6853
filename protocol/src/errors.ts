import type { ErrorCode } from './error-codes.js'

/** The codes of errors after which the same thing sent again may succeed without anybody changing anything. */
export const retryableCodes = {
  /** Changes waiting for the database fill the journal, or joins are shed: come again later. */
  overloaded: { retry: true },
  /** The room could not be loaded. Its content is unharmed. */
  load_failed: { retry: true },
  /** An earlier change was refused and has to be sent again before this one. */
  out_of_order: { retry: true },
  /** More frames or bytes than the limit allows. */
  rate_limited: { retry: true },
  /** The node is shutting down. */
  draining: { retry: true },
  /** The client reads more slowly than it is sent to. */
  slow: { retry: true },
  /** Nothing arrived from the client for too long. */
  timeout: { retry: true },
  /** A fault of the server. */
  internal: { retry: true },
} as const

/** Whether the same request may succeed later. Unknown codes (of newer servers) are taken as final. */
export const isRetryable = (code: string): boolean => Object.hasOwn(retryableCodes, code)

/** What the codec and the server's edges throw for bad input; carries a code from the table. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
