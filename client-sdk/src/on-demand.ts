/*
 * The code that a page loads when it first needs it: bundlers make a chunk of each. What these files have in common with the
 * core is handed to them: imported there as well, it would leave the core for one more chunk, which every page had to load.
 */
import { WeftError, messageOf } from './errors.js'

/** @throws {WeftError} `not_loaded`: there is no network, or the server has another version of the page by now */
const orTell = async <T>(code: Promise<T>): Promise<T> => {
  try {
    return await code
  } catch (thrown) {
    throw new WeftError('not_loaded', messageOf(thrown), thrown)
  }
}

export const onDemand = {
  /** What becomes of refused changes, and of those of a room that was deleted and made again. */
  refusal: () => orTell(import('./refusal.js')),
  /** What hands the events of a room to those who listen. */
  events: () => orTell(import('./event-reader.js')),
  /** What tells that the user is away. */
  idle: () => orTell(import('./idle.js')),
  /** What replaces a token before it expires. */
  token: () => orTell(import('./token-refresh.js')),
}
