import type { ErrorCode } from './error-codes.js'

/** The errors after which the same thing sent again may succeed without anybody changing anything. */
const retryable: readonly string[] = [
  'overloaded',
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

  constructor(code: ErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
