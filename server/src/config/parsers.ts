/* From the text of a setting to its value; each says in a sentence what is wrong. */
import { parseRedisUrl } from '../bus/redis-url.js'
import { parseNetwork } from '../limits/networks.js'
import { ConfigError, logLevels, type LogLevel } from './types.js'

export const text = (value: string): string => value

export const integer =
  (min: number, max: number) =>
  (value: string, name: string): number => {
    const number = Number(value)
    if (!/^\d+$/.test(value) || number < min || number > max) {
      throw new ConfigError(
        `${name} must be a whole number from ${min} to ${max}, and is ${JSON.stringify(value)}.`,
      )
    }
    return number
  }

export const bytes = (min: number): ((value: string, name: string) => number) => integer(min, 1024 ** 3)
export const count = integer(0, 10_000_000)
export const milliseconds = (min: number): ((value: string, name: string) => number) =>
  integer(min, 24 * 3_600_000)

export const bool = (value: string, name: string): boolean => {
  if (value === 'true' || value === '1' || value === 'on') return true
  if (value === 'false' || value === '0' || value === 'off') return false
  throw new ConfigError(`${name} must be true or false, and is ${JSON.stringify(value)}.`)
}

export const logLevel = (value: string, name: string): LogLevel => {
  const level = logLevels.find((known) => known === value)
  if (level === undefined) {
    throw new ConfigError(`${name} must be one of ${logLevels.join(', ')}, and is ${JSON.stringify(value)}.`)
  }
  return level
}

export const databaseUrl = (value: string, name: string): string => {
  // The value may hold a password: it is not repeated.
  if (!URL.canParse(value) || !/^postgres(ql)?:$/.test(new URL(value).protocol)) {
    throw new ConfigError(`${name} must be a URL like postgres://user:password@host:5432/database.`)
  }
  return value
}

export const httpUrl = (value: string, name: string): string => {
  // The value may hold a password: it is not repeated.
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol))
    throw new ConfigError(`${name} must be a URL like https://app.example.com/authorize.`)
  return value
}

export const redisUrl = (value: string, name: string): string => {
  // As above.
  if (parseRedisUrl(value) === null) {
    throw new ConfigError(
      `${name} must be a URL like redis://user:password@host:6379, rediss://host:6379, ` +
        'redis+sentinel://host:26379,host:26379/master or redis+cluster://host:6379,host:6379.',
    )
  }
  return value
}

export const sha256 = (value: string, name: string): string => {
  if (!/^[0-9a-f]{64}$/i.test(value)) throw new ConfigError(`${name} must be 64 hexadecimal digits.`)
  return value.toLowerCase()
}

/** A list with commas between its entries, each of which must be right. */
const list =
  (isRight: (entry: string) => boolean, like: string) =>
  (value: string, name: string): readonly string[] =>
    value
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '')
      .map((entry) => {
        if (isRight(entry)) return entry
        throw new ConfigError(`${name} must be a list of ${like}, and holds ${JSON.stringify(entry)}.`)
      })

export const origins = list(
  (origin) => origin === '*' || (URL.canParse(origin) && new URL(origin).origin === origin),
  'origins like https://app.example.com',
)

export const networks = list(
  (network) => parseNetwork(network) !== null,
  'addresses and networks like 10.0.0.0/8',
)
