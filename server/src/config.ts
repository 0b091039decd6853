/*
 * The settings: read here and nowhere else. One table gives each its name in the environment, its flag, its default and its
 * meaning (`config/settings.ts`).
 */
import { settings } from './config/settings.js'
import { ConfigError, type Config, type Setting } from './config/types.js'

export { settings }
export { ConfigError, type Config, type LogLevel, type Setting } from './config/types.js'

/** The flag of a setting: `--data-dir` for `DATA_DIR`, `--processes` for `WEFT_PROCESSES`. */
export const flagOf = (env: string): string =>
  `--${env
    .replace(/^WEFT_/, '')
    .toLowerCase()
    .replaceAll('_', '-')}`

/**
 * Reads the settings: flags first, then the environment, then defaults. An empty value counts as not set.
 * @param flags values by environment name
 * @throws {ConfigError} one sentence that names the setting at fault
 */
export const readConfig = (
  environment: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Record<string, string | undefined>> = {},
): Config => finish(readValues(environment, flags), environment['NODE_ENV'])

type Values = Map<keyof Config, unknown>

const readValues = (
  environment: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Record<string, string | undefined>>,
): Values => {
  const values: Values = new Map()
  for (const row of settings as readonly Setting[]) {
    const flag = flags[row.env]
    const given = flag ?? environment[row.env]
    const value = given === undefined || given === '' ? row.default : given
    const name = flag === undefined ? row.env : flagOf(row.env)
    values.set(row.key, value === '' ? undefined : row.parse(value, name))
  }
  return values
}

const finish = (values: Values, nodeEnv: string | undefined): Config => {
  const keys = [values.get('jwtSecret'), values.get('jwtPublicKey'), values.get('jwtJwksUrl')]
  const isProduction = nodeEnv === 'production' || keys.some((key) => key !== undefined)
  if (values.get('playground') === undefined) values.set('playground', !isProduction)
  // The table has a row for every key (checked by the type of `settings` and a test).
  return checkConfig(Object.fromEntries(values) as unknown as Config)
}

/**
 * The same for settings given in code, under their names in camel case: what is missing gets its default.
 * @throws {ConfigError}
 */
export const completeConfig = (given: Partial<Config>): Config => {
  const values = readValues({}, {})
  for (const row of settings as readonly Setting[]) {
    const value = given[row.key]
    // As in the environment, an empty text is a setting that is not set. An empty list of origins is one.
    if (value === undefined || value === '') continue
    values.set(row.key, row.parse(String(value), row.key))
  }
  return finish(values, process.env['NODE_ENV'])
}

/** Addresses that only this machine reaches. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)

const checkConfig = (config: Config): Config => {
  const keys = [config.jwtSecret, config.jwtPublicKey, config.jwtJwksUrl].filter((key) => key !== undefined)
  if (keys.length === 0 && !isLoopback(config.host)) {
    throw new ConfigError(
      `HOST is ${config.host}, which others can reach, and nothing verifies tokens: set JWT_SECRET, JWT_PUBLIC_KEY or ` +
        'JWT_JWKS_URL, or HOST=127.0.0.1.',
    )
  }
  if ((config.tlsCertFile === undefined) !== (config.tlsKeyFile === undefined)) {
    throw new ConfigError('TLS_CERT_FILE and TLS_KEY_FILE go together: set both or neither.')
  }
  if (config.redisUrl !== undefined && config.databaseUrl === undefined) {
    throw new ConfigError(
      'REDIS_URL joins nodes that share a database, and the embedded one cannot be shared: set DATABASE_URL, or leave out REDIS_URL.',
    )
  }
  if (config.redisCaFile !== undefined && config.redisUrl?.startsWith('rediss') !== true) {
    throw new ConfigError(
      'REDIS_CA_FILE is for a Redis that speaks TLS: set REDIS_URL to a rediss:// address.',
    )
  }
  if ((config.authorizeUrl === undefined) !== (config.authorizeSecret === undefined)) {
    throw new ConfigError('AUTHORIZE_URL and AUTHORIZE_SECRET go together: set both or neither.')
  }
  if (config.authorizeSecret !== undefined && Buffer.byteLength(config.authorizeSecret) < 32) {
    throw new ConfigError('AUTHORIZE_SECRET must have at least 32 bytes: a shorter one can be guessed.')
  }
  if (config.maxUpdateBytes > config.maxFrameBytes) {
    throw new ConfigError('MAX_UPDATE_BYTES is larger than MAX_FRAME_BYTES: an update travels in one frame.')
  }
  checkProcesses(config)
  return config
}

const checkProcesses = (config: Config): void => {
  if (config.processes === 1) {
    if (config.metricsPort === 0) return
    throw new ConfigError(
      'METRICS_PORT is for WEFT_PROCESSES above 1: a single process serves /metrics on PORT.',
    )
  }
  const several = `WEFT_PROCESSES is ${config.processes}, and several processes`
  if (process.platform !== 'linux')
    throw new ConfigError(`${several} can share a port on Linux only: set WEFT_PROCESSES=1.`)
  if (config.databaseUrl === undefined) {
    throw new ConfigError(
      `${several} cannot share the embedded database: set DATABASE_URL to a PostgreSQL, or WEFT_PROCESSES=1.`,
    )
  }
  if (config.redisUrl === undefined) {
    throw new ConfigError(`${several} talk to each other through Redis: set REDIS_URL, or WEFT_PROCESSES=1.`)
  }
  if (config.port === 0)
    throw new ConfigError(`${several} need one port for all of them: set PORT to another number than 0.`)
  if (config.metricsPort === config.port)
    throw new ConfigError('METRICS_PORT is the same as PORT: each needs its own.')
}
