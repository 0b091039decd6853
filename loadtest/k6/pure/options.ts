/** A setting of the environment has a value that cannot be used. The message is one sentence that names it. */
export class OptionError extends Error {}

export type Environment = Readonly<Record<string, string | undefined>>

interface Bounds {
  readonly min?: number
  readonly max?: number
}

const unitSeconds: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 }

/** Reads a script's options from the environment. Empty values count as not given. */
export class Options {
  private readonly environment: Environment

  constructor(environment: Environment) {
    this.environment = environment
  }

  text(name: string, fallback: string): string {
    const value = this.environment[name]?.trim() ?? ''
    return value === '' ? fallback : value
  }

  /** @throws {OptionError} when it is none of the choices */
  choice<Choice extends string>(name: string, fallback: Choice, choices: readonly Choice[]): Choice {
    const value = this.text(name, fallback)
    const found = choices.find((choice) => choice === value)
    if (found === undefined) throw this.wrong(name, `one of ${choices.join(', ')}`, value)
    return found
  }

  /** @throws {OptionError} when it is no number within the bounds, both included */
  number(name: string, fallback: number, { min = 0, max = 1e9 }: Bounds = {}): number {
    const text = this.text(name, String(fallback))
    const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : NaN
    if (!(value >= min && value <= max)) throw this.wrong(name, `a number from ${min} to ${max}`, text)
    return value
  }

  /** @throws {OptionError} when it is no whole number within the bounds, both included */
  integer(name: string, fallback: number, { min = 0, max = 1e9 }: Bounds = {}): number {
    const text = this.text(name, String(fallback))
    const value = /^\d+$/.test(text) ? Number(text) : NaN
    if (!(value >= min && value <= max)) throw this.wrong(name, `a whole number from ${min} to ${max}`, text)
    return value
  }

  /** `500ms`, `30s`, `5m` or `1h`, in seconds. @throws {OptionError} when it is not like that */
  seconds(name: string, fallback: string): number {
    const text = this.text(name, fallback)
    const [, digits, unit] = /^(\d{1,9})(ms|s|m|h)$/.exec(text) ?? []
    if (digits === undefined || unit === undefined) throw this.wrong(name, 'like 500ms, 30s, 5m or 1h', text)
    return Number(digits) * unitSeconds[unit]!
  }

  /**
   * The servers: base addresses, separated by commas, with `ws` or `http` in front, as `ws://host:port`.
   * @throws {OptionError} when one is no such address
   */
  urls(name: string, fallback: string): string[] {
    return this.text(name, fallback)
      .split(',')
      .map((part) => {
        const [, secure, rest] = /^(?:ws|http)(s?):\/\/([^/?#\s]+(?:\/[^?#\s]*)?)$/.exec(part.trim()) ?? []
        if (rest === undefined)
          throw this.wrong(name, 'ws:// or wss:// addresses separated by commas', this.text(name, fallback))
        return `ws${secure ?? ''}://${rest.replace(/\/+$/, '')}`
      })
  }

  private wrong(name: string, rule: string, value: string): OptionError {
    return new OptionError(`${name} must be ${rule}, and is ${JSON.stringify(value)}.`)
  }
}
