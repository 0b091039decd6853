import type { ErrorCode } from './error-codes.js'

/** The errors after which the same thing sent again may succeed without anybody changing anything. */
const retryable: readonly string[] = [
  'overloaded',
  'too_many_connections',
  'load_failed',
  'out_of_order',
  'rate_limited',
  'draining',
  'slow',
  'timeout',
  'internal',
] satisfies readonly ErrorCode[]

/** Whether the same request may succeed later. Unknown codes (of newer servers) are taken as final. */
export const isRetryable = (code: string): boolean => retryable.includes(code)

/** What the codec and the server's edges throw for bad input; carries a code from the table. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ErrorCode
  /** Milliseconds after which it may be worth to try again, for ERROR; 0 when nothing is known of it. */
  readonly retryAfter: number

  constructor(code: ErrorCode, message: string, retryAfter = 0) {
    super(message)
    this.code = code
    this.retryAfter = retryAfter
  }
}
