/* Turns of the event loop, for tests without timers. */

/** A turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Turns until something is so. @throws {Error} when it does not come to be */
export const until = async (condition: () => boolean, what: string): Promise<void> => {
  const deadline = performance.now() + 5_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`did not come to be: ${what}`)
    await turn()
  }
}
