import { StoreError } from './types.js'
import { messageOf } from '../message-of.js'

/**
 * The store cannot be opened, and trying again will not help: the start must stop with this message.
 * The message names the setting at fault and never holds a password.
 */
export class StoreStartError extends Error {
  override readonly name = 'StoreStartError'
}

/** data_exception, integrity_constraint_violation, program_limit_exceeded: the data is at fault, not the moment. */
const rejectedClasses = new Set(['22', '23', '54'])

/** What a failed query means to the caller: the one place that reads SQLSTATEs. */
export function toStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const message = messageOf(error)
  const sqlState = sqlStateOf(error)
  if (sqlState !== null && rejectedClasses.has(sqlState.slice(0, 2))) {
    // Its message quotes the values that it refuses, which are people's content. Not as a cause either: loggers print those.
    return new StoreError('rejected', `the database refuses the data (SQLSTATE ${sqlState})`, sqlState, {
      detail: message,
    })
  }
  return new StoreError('transient', message, sqlState, { cause: error })
}

/** The SQLSTATE of an error that the database sent, else null. */
export function sqlStateOf(error: unknown): string | null {
  if (!(error instanceof Error) || error.name !== 'PostgresError' || !('code' in error)) return null
  return typeof error.code === 'string' ? error.code : null
}

/** @throws {StoreError} rejected, where PostgreSQL could not store the text, or would store another. */
export function assertText(what: string, text: string): void {
  // A lone surrogate would silently become U+FFFD on its way: two names would turn into one.
  if (text.includes('\0') || /\p{Surrogate}/u.test(text)) {
    throw new StoreError('rejected', `${what} holds a NUL or a lone surrogate`, '22021')
  }
}
