/* What can be set, and what a wrong setting is. */

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
