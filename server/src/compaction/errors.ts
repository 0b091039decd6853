/**
 * Why a doc worker gave no result.
 * - `busy`: too many tasks wait already; nothing was started.
 * - `crashed`: the worker died (out of memory, most likely); another one has taken its place.
 * - `timed_out`: the task took too long; its worker was ended.
 * - `closed`: the pool is closing.
 * - `fenced`: the room has another epoch, or is gone.
 * - `failed`: the task threw; the message says why.
 */
export type DocWorkerErrorCode = 'busy' | 'crashed' | 'timed_out' | 'closed' | 'fenced' | 'failed'

/** A doc worker gave no result. Errors of the store and of invalid updates keep their own classes. */
export class DocWorkerError extends Error {
  override readonly name = 'DocWorkerError'
  readonly code: DocWorkerErrorCode

  constructor(code: DocWorkerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  /** Whether what was asked for is at fault, and not the moment: it may well fail again in the same way. */
  get isOfItsOwn(): boolean {
    return this.code === 'crashed' || this.code === 'timed_out' || this.code === 'failed'
  }

  /** Whether the same task may succeed later. */
  get retryable(): boolean {
    return this.code === 'busy' || this.code === 'crashed' || this.code === 'timed_out'
  }
}
