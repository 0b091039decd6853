/**
 * Waits for a condition that nothing announces (a counter, a document's content), looking again every few milliseconds.
 * @param what what is waited for, for the error
 * @throws {Error} when it does not come true within `ms`
 */
export const until = async (
  condition: () => boolean | Promise<boolean>,
  what: string,
  ms = 15_000,
): Promise<void> => {
  const deadline = Date.now() + ms
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Rejects when a promise takes longer than `ms`: a test then says what it waited for. */
export const within = async <T>(promise: Promise<T>, what: string, ms = 15_000): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
