/*
 * The settings: read here and nowhere else. One table gives each its name in the environment, its flag, its default and its
 * meaning; the README's table is checked against it by a test.
 */
import { defaultSessionLimits } from '@weft/protocol'
import { parseRedisUrl } from './bus/redis-url.js'
import { parseNetwork } from './limits/networks.js'

/** Everything that can be set. Sizes are in bytes, times in milliseconds, unless the name says otherwise. */
export interface Config {
  readonly port: number
  readonly host: string
  readonly dataDir: string
  readonly databaseUrl: string | undefined
  readonly redisUrl: string | undefined
  readonly redisCaFile: string | undefined
  readonly jwtSecret: string | undefined
  readonly jwtPublicKey: string | undefined
  readonly jwtJwksUrl: string | undefined
  readonly jwtIssuer: string | undefined
  readonly jwtAudience: string | undefined
  readonly jwtClockToleranceMs: number
  readonly jwtJwksCacheMs: number
  readonly jwtJwksCooldownMs: number
  readonly authorizeUrl: string | undefined
  readonly authorizeSecret: string | undefined
  readonly authorizeTimeoutMs: number
  readonly authorizeCacheMs: number
  readonly authorizeReviewMs: number
  readonly revocationDays: number
  readonly allowedOrigins: readonly string[]
  readonly trustedProxies: readonly string[] | undefined
  readonly tlsCertFile: string | undefined
  readonly tlsKeyFile: string | undefined
  readonly logLevel: LogLevel
  /** Unless set: off in production, that is with a key for tokens, or with NODE_ENV=production. */
  readonly playground: boolean
  readonly heartbeatMs: number
  readonly helloTimeoutMs: number
  readonly slowTimeoutMs: number
  readonly shutdownTimeoutMs: number
  readonly drainMs: number
  readonly roomIdleMs: number
  readonly maxConnections: number
  readonly maxConnectionsPerTenant: number
  readonly maxConnectionsPerUser: number
  readonly maxConnectionsPerIp: number
  readonly maxHandshakesPerIp: number
  readonly maxFramesPerSecond: number
  readonly maxBytesPerSecond: number
  readonly maxJoinWaitMs: number
  readonly maxLoopDelayMs: number
  readonly maxOpenRooms: number
  readonly tenantShare: number
  readonly maxRoomsPerConnection: number
  readonly maxFrameBytes: number
  readonly maxUpdateBytes: number
  readonly maxDocumentBytes: number
  readonly maxEventBytes: number
  readonly maxPresenceBytes: number
  readonly maxPresenceEntries: number
  readonly maxBackpressureBytes: number
  readonly journalMaxBytes: number
  readonly journalIntervalMs: number
  readonly maxBaseBytes: number
  readonly compactBytes: number
  readonly docWorkers: number
  readonly workerTaskMs: number
  /** More than 1: the port is shared with other processes. The command line starts them; a program does it itself. */
  readonly processes: number
  readonly metricsPort: number
  readonly metricsTenants: number
  readonly uwsSha256: string | undefined
}

export const logLevels = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevel = (typeof logLevels)[number]

/** A setting that is missing or wrong; the message is one sentence that names it. The start stops with it (I8). */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** One row of the settings table. */
export interface Setting<K extends keyof Config = keyof Config> {
  readonly key: K
  /** Its name in the environment. The flag follows from it: `flagOf`. */
  readonly env: string
  readonly meaning: string
  /** As shown in the README; '' for none. */
  readonly default: string
  parse(value: string, name: string): Config[K]
}

const text = (value: string): string => value

const integer =
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

const bytes = (min: number): ((value: string, name: string) => number) => integer(min, 1024 ** 3)
const count = integer(0, 10_000_000)
const milliseconds = (min: number): ((value: string, name: string) => number) => integer(min, 24 * 3_600_000)

const bool = (value: string, name: string): boolean => {
  if (value === 'true' || value === '1' || value === 'on') return true
  if (value === 'false' || value === '0' || value === 'off') return false
  throw new ConfigError(`${name} must be true or false, and is ${JSON.stringify(value)}.`)
}

const logLevel = (value: string, name: string): LogLevel => {
  const level = logLevels.find((known) => known === value)
  if (level === undefined) {
    throw new ConfigError(`${name} must be one of ${logLevels.join(', ')}, and is ${JSON.stringify(value)}.`)
  }
  return level
}

const databaseUrl = (value: string, name: string): string => {
  // The value may hold a password: it is not repeated.
  if (!URL.canParse(value) || !/^postgres(ql)?:$/.test(new URL(value).protocol)) {
    throw new ConfigError(`${name} must be a URL like postgres://user:password@host:5432/database.`)
  }
  return value
}

const httpUrl = (value: string, name: string): string => {
  // The value may hold a password: it is not repeated.
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol))
    throw new ConfigError(`${name} must be a URL like https://app.example.com/authorize.`)
  return value
}

const redisUrl = (value: string, name: string): string => {
  // As above.
  if (parseRedisUrl(value) === null) {
    throw new ConfigError(
      `${name} must be a URL like redis://user:password@host:6379, rediss://host:6379, ` +
        'redis+sentinel://host:26379,host:26379/master or redis+cluster://host:6379,host:6379.',
    )
  }
  return value
}

const sha256 = (value: string, name: string): string => {
  if (!/^[0-9a-f]{64}$/i.test(value)) throw new ConfigError(`${name} must be 64 hexadecimal digits.`)
  return value.toLowerCase()
}

const origins = (value: string, name: string): readonly string[] =>
  value
    .split(',')
    .map((origin) => origin.trim())
    .filter((origin) => origin !== '')
    .map((origin) => {
      if (origin === '*') return origin
      if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
        throw new ConfigError(
          `${name} must be a list of origins like https://app.example.com, and holds ${JSON.stringify(origin)}.`,
        )
      }
      return origin
    })

const networks = (value: string, name: string): readonly string[] =>
  value
    .split(',')
    .map((network) => network.trim())
    .filter((network) => network !== '')
    .map((network) => {
      if (parseNetwork(network) === null) {
        throw new ConfigError(
          `${name} must be a list of addresses and networks like 10.0.0.0/8, and holds ${JSON.stringify(network)}.`,
        )
      }
      return network
    })

const setting = <K extends keyof Config>(
  key: K,
  env: string,
  defaultText: string,
  parse: Setting<K>['parse'],
  meaning: string,
): Setting<K> => ({ key, env, default: defaultText, parse, meaning })

const limits = defaultSessionLimits

/** Every setting. */
export const settings = [
  setting('port', 'PORT', '4400', integer(0, 65_535), 'TCP port; 0 takes a free one'),
  setting(
    'host',
    'HOST',
    '127.0.0.1',
    text,
    'address to listen on; other than loopback only with a key for tokens',
  ),
  setting(
    'dataDir',
    'DATA_DIR',
    './data',
    text,
    'folder of the embedded database; not used with `DATABASE_URL`',
  ),
  setting(
    'databaseUrl',
    'DATABASE_URL',
    '',
    databaseUrl,
    'PostgreSQL 14 or newer; without it the embedded database',
  ),
  setting(
    'redisUrl',
    'REDIS_URL',
    '',
    redisUrl,
    'Redis that joins the nodes on one database: `redis://`, `rediss://`, `redis+sentinel://`, `redis+cluster://` (Redis 7)',
  ),
  setting(
    'redisCaFile',
    'REDIS_CA_FILE',
    '',
    text,
    'certificates (PEM) to trust with `rediss://` in place of those of public authorities',
  ),
  setting(
    'jwtSecret',
    'JWT_SECRET',
    '',
    text,
    'HS256 secrets that tokens are signed with, one a line, each at least 32 bytes; `weft token` signs with the first',
  ),
  setting(
    'jwtPublicKey',
    'JWT_PUBLIC_KEY',
    '',
    text,
    'public keys (SPKI PEM, one or several, or a file with them) that tokens verify with',
  ),
  setting('jwtJwksUrl', 'JWT_JWKS_URL', '', text, 'address of a JSON Web Key Set that tokens verify with'),
  setting('jwtIssuer', 'JWT_ISSUER', '', text, 'the `iss` that tokens must have'),
  setting('jwtAudience', 'JWT_AUDIENCE', '', text, 'the `aud` that tokens must have'),
  setting(
    'jwtClockToleranceMs',
    'JWT_CLOCK_TOLERANCE_MS',
    '5000',
    integer(0, 300_000),
    'difference of clocks that `exp` and `nbf` of tokens allow for',
  ),
  setting(
    'jwtJwksCacheMs',
    'JWT_JWKS_CACHE_MS',
    '600000',
    milliseconds(1_000),
    'a fetched key set counts so long; then it is fetched again, and without an answer no token is accepted',
  ),
  setting(
    'jwtJwksCooldownMs',
    'JWT_JWKS_COOLDOWN_MS',
    '30000',
    milliseconds(0),
    'least time between two fetches of the key set for keys that it does not hold',
  ),
  setting(
    'authorizeUrl',
    'AUTHORIZE_URL',
    '',
    httpUrl,
    'asked what a user may do in a room, in place of the `rooms` of the token; see "Permissions in your own database"',
  ),
  setting(
    'authorizeSecret',
    'AUTHORIZE_SECRET',
    '',
    text,
    'signs the requests to `AUTHORIZE_URL`, at least 32 bytes',
  ),
  setting(
    'authorizeTimeoutMs',
    'AUTHORIZE_TIMEOUT_MS',
    '3000',
    milliseconds(10),
    'a hook or `AUTHORIZE_URL` that has not answered by then grants nothing; the client tries again',
  ),
  setting(
    'authorizeCacheMs',
    'AUTHORIZE_CACHE_MS',
    '5000',
    milliseconds(0),
    'an answer counts so long for further joins of the user in the room',
  ),
  setting(
    'authorizeReviewMs',
    'AUTHORIZE_REVIEW_MS',
    '60000',
    milliseconds(0),
    'the hook is asked again this often about those who are in a room; 0 for never',
  ),
  setting(
    'revocationDays',
    'REVOCATION_DAYS',
    '90',
    integer(1, 3_650),
    'decisions of `control.disconnectUser` and `control.grant` are kept so long: longer than your tokens live',
  ),
  setting(
    'allowedOrigins',
    'ALLOWED_ORIGINS',
    '*',
    origins,
    'origins of web pages that may connect, separated by commas; `*` for all (without a key: all of this machine)',
  ),
  setting(
    'trustedProxies',
    'TRUSTED_PROXIES',
    '',
    networks,
    'proxies whose `X-Forwarded-For` tells the address of a client: addresses and networks (`10.0.0.0/8`), separated by commas',
  ),
  setting(
    'tlsCertFile',
    'TLS_CERT_FILE',
    '',
    text,
    'certificate chain (PEM); with `TLS_KEY_FILE` the server speaks TLS. Both are read again when they change',
  ),
  setting('tlsKeyFile', 'TLS_KEY_FILE', '', text, 'private key (PEM) of the certificate'),
  setting('logLevel', 'LOG_LEVEL', 'info', logLevel, 'silent, fatal, error, warn, info, debug or trace'),
  setting(
    'playground',
    'PLAYGROUND',
    '',
    bool,
    'serve the playground at `/`; unless set: without a key for tokens, and not with `NODE_ENV=production`',
  ),
  setting(
    'heartbeatMs',
    'HEARTBEAT_MS',
    '10000',
    milliseconds(1_000),
    'both sides send something at least this often',
  ),
  setting(
    'helloTimeoutMs',
    'HELLO_TIMEOUT_MS',
    '10000',
    milliseconds(100),
    'a connection that sends no HELLO is closed',
  ),
  setting(
    'slowTimeoutMs',
    'SLOW_TIMEOUT_MS',
    '60000',
    milliseconds(1_000),
    'a client that reads nothing is closed',
  ),
  setting(
    'shutdownTimeoutMs',
    'SHUTDOWN_TIMEOUT_MS',
    '15000',
    milliseconds(100),
    'deadline of a shutdown; what is unsaved by then is reported',
  ),
  setting(
    'drainMs',
    'DRAIN_MS',
    '5000',
    milliseconds(0),
    'reconnects after a shutdown are spread over this time',
  ),
  setting(
    'roomIdleMs',
    'ROOM_IDLE_MS',
    '30000',
    milliseconds(0),
    'a room without members stays open this long',
  ),
  setting('maxConnections', 'MAX_CONNECTIONS', '50000', count, 'connections to this node; 0 for no limit'),
  setting(
    'maxConnectionsPerTenant',
    'MAX_CONNECTIONS_PER_TENANT',
    '0',
    count,
    'connections of one tenant, on all nodes; 0 for no limit',
  ),
  setting(
    'maxConnectionsPerUser',
    'MAX_CONNECTIONS_PER_USER',
    '1000',
    count,
    'connections of one user, on all nodes; 0 for no limit',
  ),
  setting(
    'maxConnectionsPerIp',
    'MAX_CONNECTIONS_PER_IP',
    '1000',
    count,
    'connections of one address (IPv6: /64), on all nodes; 0 for no limit. See "Limits"',
  ),
  setting(
    'maxHandshakesPerIp',
    'MAX_HANDSHAKES_PER_IP',
    '1200',
    count,
    'new connections of one address in a minute, on all nodes; 0 for no limit',
  ),
  setting(
    'maxFramesPerSecond',
    'MAX_FRAMES_PER_SECOND',
    '2000',
    integer(0, 100_000),
    'messages of one connection, on average; ten seconds of it may come at once; 0 for no limit',
  ),
  setting(
    'maxBytesPerSecond',
    'MAX_BYTES_PER_SECOND',
    String(16 * 1024 ** 2),
    integer(0, 100 * 1024 ** 2),
    'bytes of one connection, on average; ten seconds of it, or two frames of full size, may come at once; 0 for no limit',
  ),
  setting(
    'maxJoinWaitMs',
    'MAX_JOIN_WAIT_MS',
    '10000',
    milliseconds(100),
    'a join that waits longer for its room to be loaded is refused as `overloaded`',
  ),
  setting(
    'maxLoopDelayMs',
    'MAX_LOOP_DELAY_MS',
    '1000',
    milliseconds(50),
    'while the event loop is later than this, on average, joins are refused as `overloaded`',
  ),
  setting(
    'maxOpenRooms',
    'MAX_OPEN_ROOMS',
    '50000',
    integer(1, 10_000_000),
    'rooms open at once on this node',
  ),
  setting(
    'tenantShare',
    'TENANT_SHARE',
    '50',
    integer(1, 100),
    'percent that one tenant alone may have of what the tenants of a node share (see "Tenants"); 100 for no shares',
  ),
  setting(
    'maxRoomsPerConnection',
    'MAX_ROOMS_PER_CONNECTION',
    String(limits.roomsPerConnection),
    integer(1, 100_000),
    'rooms joined at once on one connection',
  ),
  setting('maxFrameBytes', 'MAX_FRAME_BYTES', String(limits.frameBytes), bytes(1_024), 'size of one frame'),
  setting(
    'maxUpdateBytes',
    'MAX_UPDATE_BYTES',
    String(limits.updateBytes),
    bytes(1_024),
    'size of one Yjs update',
  ),
  setting(
    'maxDocumentBytes',
    'MAX_DOCUMENT_BYTES',
    String(100 * 1024 ** 2),
    bytes(1_024),
    'size of a document as it is stored; a larger one takes deletions only',
  ),
  setting(
    'maxEventBytes',
    'MAX_EVENT_BYTES',
    String(limits.eventBytes),
    bytes(1),
    'size of one message payload',
  ),
  setting(
    'maxPresenceBytes',
    'MAX_PRESENCE_BYTES',
    String(limits.presenceBytes),
    bytes(16),
    'size of one presence state',
  ),
  setting(
    'maxPresenceEntries',
    'MAX_PRESENCE_ENTRIES',
    '16',
    integer(1, 10_000),
    'presence states that one connection may show in a room',
  ),
  setting(
    'maxBackpressureBytes',
    'MAX_BACKPRESSURE_BYTES',
    String(1024 ** 2),
    bytes(512 * 1024),
    'bytes that may wait in a socket before the client is taken off the live topic and caught up later',
  ),
  setting(
    'journalMaxBytes',
    'JOURNAL_MAX_BYTES',
    String(64 * 1024 ** 2),
    bytes(1_024),
    'changes that may wait for the database; beyond it new ones are refused as `overloaded`',
  ),
  setting(
    'journalIntervalMs',
    'JOURNAL_INTERVAL_MS',
    '8',
    integer(0, 1_000),
    'least time between two commits, up to six times that on a busy node; a change after a quiet moment is committed at once',
  ),
  setting(
    'maxBaseBytes',
    'MAX_BASE_BYTES',
    String(512 * 1024 ** 2),
    bytes(0),
    'snapshots of open rooms kept in memory; the least recently used are read again when they are needed',
  ),
  setting(
    'compactBytes',
    'COMPACT_BYTES',
    String(256 * 1024),
    bytes(1_024),
    'a room is compacted past max(this, base / 4)',
  ),
  setting(
    'docWorkers',
    'DOC_WORKERS',
    '0',
    integer(0, 64),
    'threads for merging and compaction; 0 for cores - 1, divided by `WEFT_PROCESSES`, from 2 to 4',
  ),
  setting(
    'workerTaskMs',
    'WORKER_TASK_MS',
    '60000',
    integer(100, 3_600_000),
    'longest run of one load, merge or compaction, in milliseconds; past it the thread is ended, and the room set aside',
  ),
  setting(
    'processes',
    'WEFT_PROCESSES',
    '1',
    integer(1, 256),
    'server processes that share the port; more than 1 on Linux, with `DATABASE_URL` and `REDIS_URL`',
  ),
  setting(
    'metricsPort',
    'METRICS_PORT',
    '0',
    integer(0, 65_535),
    'port for the `/metrics`, `/healthz` and `/readyz` of all `WEFT_PROCESSES` together; 0 for none',
  ),
  setting(
    'metricsTenants',
    'METRICS_TENANTS',
    '0',
    integer(0, 1_000),
    'tenants that get series of their own in `/metrics`, which then tells their names; the rest share one',
  ),
  setting(
    'uwsSha256',
    'UWS_SHA256',
    '',
    sha256,
    'SHA-256 that the binary of uWebSockets.js must have; without it that of the release Weft is tested with',
  ),
] as const satisfies readonly Setting[]

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
