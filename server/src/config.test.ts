import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { completeConfig, ConfigError, readConfig, settings } from './config.js'

describe('settings', () => {
  test('the README lists them as they are', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
    const table = settings.map(
      ({ env, default: given, meaning }) =>
        `| \`${env}\` | ${given === '' ? '' : `\`${given}\``} | ${meaning} |`,
    )
    expect(readme.split('\n').filter((line) => /^\| `[A-Z_]+` \|/.test(line))).toEqual(table)
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
