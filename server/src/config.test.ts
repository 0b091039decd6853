import { readFile } from 'node:fs/promises'
import { describe, expect, test, vi } from 'vitest'
import { completeConfig, ConfigError, readConfig, settings } from './config.js'

describe('settings', () => {
  test('the README lists them as they are', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
    const table = settings.map(
      ({ env, default: given, meaning }) =>
        `| \`${env}\` | ${given === '' ? '' : `\`${given}\``} | ${meaning} |`,
    )
    expect(readme.split('\n').filter((line) => /^\| `[A-Z0-9_]+` \|/.test(line))).toEqual(table)
  })

  test('in code have the ranges of the environment', () => {
    expect(completeConfig({})).toEqual(readConfig({}))
    expect(
      completeConfig({ allowedOrigins: ['https://a.example', 'http://b.example'] }).allowedOrigins,
    ).toEqual(['https://a.example', 'http://b.example'])
    expect(completeConfig({ allowedOrigins: [] }).allowedOrigins).toEqual([])
    expect(completeConfig({ playground: false, jwtSecret: '' })).toMatchObject({ playground: false })
    for (const [wrong, name] of [
      [{ port: 70_000 }, 'port'],
      [{ port: Number.NaN }, 'port'],
      [{ maxFrameBytes: 0.5 }, 'maxFrameBytes'],
      [{ docWorkers: -1 }, 'docWorkers'],
      [{ databaseUrl: 'mysql://localhost/db' }, 'databaseUrl'],
      [{ allowedOrigins: ['app.example'] }, 'allowedOrigins'],
      [{ tlsCertFile: 'only-one.pem' }, 'TLS_KEY_FILE'],
    ] as const) {
      expect(() => completeConfig(wrong)).toThrow(ConfigError)
      expect(() => completeConfig(wrong)).toThrow(name)
    }
  })
})

describe('the playground', () => {
  const JWT_SECRET = 'x'.repeat(32)
  test.each([
    ['is there without a key', {}, true],
    ['is not with one', { JWT_SECRET }, false],
    ['is not in production', { NODE_ENV: 'production' }, false],
    ['is where it is asked for', { JWT_SECRET, NODE_ENV: 'production', PLAYGROUND: 'true' }, true],
    ['is not where it is refused', { PLAYGROUND: 'false' }, false],
  ])('%s', (_, environment, expected) => expect(readConfig(environment).playground).toBe(expected))

  test('in code as in the environment', () => {
    expect(completeConfig({}).playground).toBe(true)
    expect(completeConfig({ jwtSecret: JWT_SECRET }).playground).toBe(false)
    expect(completeConfig({ jwtSecret: JWT_SECRET, playground: true }).playground).toBe(true)
  })
})

describe('I8: a wrong setting is told in one sentence that names it', () => {
  const strong = 'x'.repeat(32)
  const several = { WEFT_PROCESSES: '2', DATABASE_URL: 'postgres://db/weft', REDIS_URL: 'redis://redis' }
  test.each<[string, Record<string, string>, RegExp]>([
    ['a port that is no number', { PORT: 'http' }, /^PORT must be a whole number from 0 to 65535/],
    ['a port out of range', { PORT: '65536' }, /^PORT must/],
    ['a negative number', { DRAIN_MS: '-1' }, /^DRAIN_MS must/],
    ['a fraction', { HEARTBEAT_MS: '1000.5' }, /^HEARTBEAT_MS must/],
    ['a number in words', { HEARTBEAT_MS: '1e4' }, /^HEARTBEAT_MS must/],
    ['a number with spaces', { PORT: ' 80' }, /^PORT must/],
    ['a time too short', { HEARTBEAT_MS: '10' }, /^HEARTBEAT_MS must/],
    ['a time too long', { SLOW_TIMEOUT_MS: '99999999999' }, /^SLOW_TIMEOUT_MS must/],
    ['no room for backpressure', { MAX_BACKPRESSURE_BYTES: '1000' }, /^MAX_BACKPRESSURE_BYTES must/],
    ['a size too large', { MAX_FRAME_BYTES: '99999999999' }, /^MAX_FRAME_BYTES must/],
    [
      'an update larger than a frame',
      { MAX_FRAME_BYTES: '1024' },
      /^MAX_UPDATE_BYTES is larger than MAX_FRAME_BYTES/,
    ],
    ['a proxy that is a name', { TRUSTED_PROXIES: '10.0.0.0/8, proxy' }, /^TRUSTED_PROXIES must .* "proxy"/],
    ['too many threads', { DOC_WORKERS: '65' }, /^DOC_WORKERS must/],
    ['something else for a switch', { PLAYGROUND: 'yes' }, /^PLAYGROUND must be true or false/],
    ['an unknown level', { LOG_LEVEL: 'loud' }, /^LOG_LEVEL must be one of silent, fatal/],
    [
      'a database that is no URL',
      { DATABASE_URL: 'localhost:5432' },
      /^DATABASE_URL must be a URL like postgres:/,
    ],
    ['a Redis that is no URL', { REDIS_URL: 'localhost:6379' }, /^REDIS_URL must be a URL like redis:/],
    [
      'Redis without a database to share',
      { REDIS_URL: 'redis://localhost' },
      /^REDIS_URL .* set DATABASE_URL, or leave out REDIS_URL\.$/,
    ],
    ['another database', { DATABASE_URL: 'mysql://localhost/x' }, /^DATABASE_URL must/],
    [
      'an origin with a path',
      { ALLOWED_ORIGINS: 'https://a.example/app' },
      /^ALLOWED_ORIGINS must be a list of origins/,
    ],
    ['an origin without a scheme', { ALLOWED_ORIGINS: 'https://a.example, b.example' }, /"b.example"/],
    ['one half of TLS', { TLS_CERT_FILE: 'cert.pem' }, /TLS_CERT_FILE and TLS_KEY_FILE go together/],
    [
      'an open server that others reach',
      { HOST: '0.0.0.0' },
      /^HOST is 0\.0\.0\.0, .* JWT_SECRET, JWT_PUBLIC_KEY or JWT_JWKS_URL/,
    ],
    ['an open server on IPv6', { HOST: '::' }, /^HOST is ::/],
    ['an open server under a name', { HOST: 'weft.example' }, /^HOST is weft\.example/],
    ['an address that only begins like loopback', { HOST: '127.0.0.1.example' }, /^HOST is/],
    ['no process at all', { WEFT_PROCESSES: '0' }, /^WEFT_PROCESSES must be a whole number from 1 to 256/],
    ['several processes on the embedded database', { ...several, DATABASE_URL: '' }, /set DATABASE_URL/],
    [
      'certificates for a Redis without TLS',
      { DATABASE_URL: 'postgres://db/weft', REDIS_URL: 'redis://redis', REDIS_CA_FILE: 'ca.pem' },
      /^REDIS_CA_FILE .* set REDIS_URL to a rediss:/,
    ],
    ['several processes without Redis', { ...several, REDIS_URL: '' }, /set REDIS_URL/],
    ['several processes on any port', { ...several, PORT: '0' }, /set PORT/],
    ['metrics on the shared port', { ...several, METRICS_PORT: '4400' }, /^METRICS_PORT is the same as PORT/],
    [
      'metrics of all of one process',
      { METRICS_PORT: '9400' },
      /^METRICS_PORT is for WEFT_PROCESSES above 1/,
    ],
  ])('%s', (_name, environment, sentence) => {
    expect(() => readConfig(environment)).toThrow(ConfigError)
    expect(() => readConfig(environment)).toThrow(sentence)
    try {
      readConfig(environment)
    } catch (error) {
      expect((error as Error).message).toMatch(/^[^\n]+\.$/)
    }
  })

  test('several processes need Linux', () => {
    expect(readConfig(several).processes).toBe(2)
    const platform = vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin')
    try {
      expect(() => readConfig(several)).toThrow(/Linux only: set WEFT_PROCESSES=1\.$/)
    } finally {
      platform.mockRestore()
    }
  })

  test('a password is not repeated', () => {
    expect(() => readConfig({ DATABASE_URL: 'mysql://me:secret@localhost/x' })).not.toThrow(/secret/)
    expect(() => readConfig({ REDIS_URL: 'redis://me:secret@localhost/x' })).not.toThrow(/secret/)
  })

  test('with a key others may reach it; loopback needs none', () => {
    for (const HOST of ['0.0.0.0', '::', 'weft.example']) {
      expect(readConfig({ HOST, JWT_SECRET: strong }).host).toBe(HOST)
    }
    for (const HOST of ['localhost', '127.0.0.1', '127.1.2.3', '::1'])
      expect(readConfig({ HOST }).host).toBe(HOST)
  })

  test('flags come before the environment, and are named as flags; empty is not set', () => {
    expect(readConfig({ PORT: '1' }, { PORT: '2' }).port).toBe(2)
    expect(readConfig({ PORT: '1' }, {}).port).toBe(1)
    expect(readConfig({ PORT: '' }).port).toBe(4400)
    expect(() => readConfig({}, { DATA_DIR: './x', PORT: 'x' })).toThrow(/^--port must/)
    expect(() => readConfig({}, { WEFT_PROCESSES: 'x' })).toThrow(/^--processes must/)
  })

  test('every key of the configuration is a setting, once', () => {
    const keys = settings.map(({ key }) => key)
    expect(new Set(keys).size).toBe(keys.length)
    expect(Object.keys(readConfig({})).sort()).toEqual([...keys].sort())
    expect(new Set(settings.map(({ env }) => env)).size).toBe(keys.length)
  })
})
