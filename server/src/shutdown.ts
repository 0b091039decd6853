/* Taking things down, whatever goes wrong on the way: a step that fails keeps none of the others from running. */
import type { Logger } from './telemetry/index.js'

/** A shutdown that ran to its end, and could not do all of it. */
export class ShutdownError extends Error {
  override readonly name = 'ShutdownError'
  /** What failed. Each has been logged with its error. */
  readonly steps: readonly string[]
  /** Changes that were not saved. */
  readonly unsaved: number

  constructor(steps: readonly string[], unsaved: number) {
    super(`the shutdown could not do all of it: ${steps.join(', ')}`)
    this.steps = steps
    this.unsaved = unsaved
  }
}

/** The steps of a shutdown, in turn. */
export class Shutdown {
  /** The steps that failed. */
  readonly failed: string[] = []
  private readonly log: Logger

  constructor(log: Logger) {
    this.log = log
  }

  /** Runs a step. Never throws. @returns what it does, or `otherwise` when it fails */
  async step<T>(name: string, run: () => T | Promise<T>, otherwise: T): Promise<T> {
    try {
      return await run()
    } catch (error) {
      this.failed.push(name)
      this.log.error({ err: error, step: name }, `a step of the shutdown failed: ${name}; the others go on`)
      return otherwise
    }
  }
}

/** What a start has opened so far, to be closed again when it fails. */
export class Opened {
  private readonly parts: { readonly name: string; readonly close: () => unknown }[] = []

  add(name: string, close: () => unknown): void {
    this.parts.push({ name, close })
  }

  /** Closes all of it, the newest first. Never throws. */
  async close(log: Logger): Promise<void> {
    const shutdown = new Shutdown(log)
    for (const { name, close } of this.parts.reverse()) {
      await shutdown.step(
        name,
        async () => {
          await close()
        },
        undefined,
      )
    }
  }
}

/** Resolves when the promise does, or after that many milliseconds. */
export const atMost = async (milliseconds: number, promise: Promise<void>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, milliseconds)))
  try {
    await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
