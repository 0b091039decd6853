/* The command line as an operator meets it: real processes of the compiled program. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { jwtVerify } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { settings, flagOf } from './config.js'
import { freePort } from './testing/postgres.js'
import { makeTempDir, type TempDir } from './testing/temp-dir.js'
import { within } from './testing/until.js'
import { WeftBot } from './testing/weft-bot.js'
import { workerUrl } from './worker-url.js'

const program = workerUrl('./main.js', import.meta.url).pathname

interface Run {
  readonly child: ChildProcess
  readonly output: () => string
  readonly errors: () => string
  /** Resolves when a line of the log says that it listens. */
  readonly listening: Promise<void>
  readonly exit: Promise<number | null>
}

const running = new Set<ChildProcess>()

/** Runs the program with these arguments and settings, and none of this process's own. */
const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Run => {
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env['PATH'], LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let output = ''
  let errors = ''
  let listens = (): void => undefined
  const listening = new Promise<void>((resolve) => (listens = resolve))
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    if (output.includes('Weft listens on')) listens()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const exit = once(child, 'close').then(([code]) => {
    running.delete(child)
    return code as number | null
  })
  return { child, output: () => output, errors: () => errors, listening, exit }
}

let dir: TempDir
beforeAll(async () => {
  dir = await makeTempDir()
})
afterEach(() => {
  for (const child of running) child.kill('SIGKILL')
})
afterAll(() => dir.remove())

/** It stops with one sentence, and without a stack. */
const expectSentence = async ({ exit, errors }: Run, sentence: RegExp): Promise<void> => {
  expect(await within(exit, 'the end', 30_000)).toBe(1)
  expect(errors()).toMatch(sentence)
  expect(errors().trim().split('\n')).toHaveLength(1)
  expect(errors()).toMatch(/^weft: .*\.\n$/)
}

describe('the start', () => {
  test('--help names every command, and `start --help` every setting with its default', async () => {
    const overview = run(['--help'])
    expect(await overview.exit).toBe(0)
    expect(overview.output()).toMatch(/start .*run the server[\s\S]*migrate/)
    const help = run(['start', '--help'])
    expect(await help.exit).toBe(0)
    const text = help.output().replace(/\s+/g, ' ')
    for (const { env, default: given } of settings) {
      expect(text).toContain(`${flagOf(env)} <value>`)
      expect(text).toContain(`[${env}]`)
      if (given !== '') expect(text).toContain(given)
    }
  })

  test.each<[string, string[], Record<string, string>, RegExp]>([
    ['a wrong flag value', ['--port', 'http'], {}, /--port must be a whole number .* "http"/],
    ['a wrong variable', [], { LOG_LEVEL: 'loud' }, /LOG_LEVEL must be one of .* "loud"/],
    ['others may reach it without a key', ['--host', '0.0.0.0'], {}, /HOST is 0\.0\.0\.0.*JWT_SECRET/],
    ['a short secret', [], { JWT_SECRET: 'short' }, /JWT_SECRET must have at least 32 bytes/],
    ['a database that is not there', [], { DATABASE_URL: 'postgres://127.0.0.1:1/none' }, /DATABASE_URL/],
  ])('I8: %s stops it with one sentence', async (_name, args, env, sentence) => {
    await expectSentence(run(['start', '--data-dir', join(dir.path, 'none'), ...args], env), sentence)
  })

  test('I8: a data folder that is a file, or holds something else, stops it with one sentence', async () => {
    const file = join(dir.path, 'file')
    await writeFile(file, '')
    await expectSentence(run(['--data-dir', file, '--port', '0']), /DATA_DIR/)
    const broken = join(dir.path, 'broken')
    await mkdir(join(broken, 'pg'), { recursive: true })
    await writeFile(join(broken, 'pg', 'PG_VERSION'), 'garbage\n')
    await expectSentence(run(['--data-dir', broken, '--port', '0']), /DATA_DIR/)
  })
})

describe('weft token', () => {
  const secret = 'a secret for weft token, of 32 bytes or more'
  const claimsOf = async (
    args: string[],
    env: Record<string, string> = {},
  ): Promise<Record<string, unknown>> => {
    const { exit, output, errors } = run(['token', ...args], { JWT_SECRET: secret, ...env })
    expect(await within(exit, 'the end', 30_000), errors()).toBe(0)
    const { payload } = await jwtVerify(output().trim(), new TextEncoder().encode(secret))
    return payload
  }

  test('makes a token by the first JWT_SECRET, for the rooms and grants that are named', async () => {
    const now = Math.floor(Date.now() / 1000)
    const plain = await claimsOf(['--user', 'ada'])
    expect(plain).toMatchObject({ sub: 'ada', rooms: { '*': 'read' } })
    expect(Number(plain['exp']) - now).toBeGreaterThan(3_500)
    expect(Math.abs(Number(plain['iat']) - now)).toBeLessThan(30)
    const full = await claimsOf(
      [
        '--user',
        'u',
        '--room',
        'a/*',
        'b',
        '--write',
        '--name',
        'Ada',
        '--tenant',
        'acme',
        '--expires',
        'never',
      ],
      { JWT_SECRET: `${secret}\n${'x'.repeat(32)}`, JWT_ISSUER: 'me', JWT_AUDIENCE: 'weft' },
    )
    expect(full).toMatchObject({
      sub: 'u',
      rooms: { 'a/*': 'write', b: 'write' },
      name: 'Ada',
      tenant: 'acme',
      iss: 'me',
      aud: 'weft',
    })
    expect(full['exp']).toBeUndefined()
    expect(await claimsOf(['--user', 'u', '--grant', 'presence,events'])).toMatchObject({
      rooms: { '*': ['presence', 'events'] },
    })
  }, 120_000)

  test.each<[string[], Record<string, string>, RegExp]>([
    [['--user', 'u'], { JWT_SECRET: '' }, /JWT_SECRET is not set/],
    [['--user', 'u'], { JWT_SECRET: 'short' }, /JWT_SECRET must have at least 32 bytes/],
    [[], {}, /--user/],
    [['--user', 'u', '--grant', 'reed'], {}, /--grant .*"reed"/],
    [['--user', 'u', '--expires', '5'], {}, /--expires .*"5"/],
    [['--user', 'u', '--grant', 'read', '--write'], {}, /--grant.* cannot be used with .*--write/],
  ])('I8: %j with %j is refused with a sentence', async (args, env, sentence) => {
    const { exit, errors, output } = run(['token', ...args], { JWT_SECRET: secret, ...env })
    expect(await within(exit, 'the end', 30_000)).not.toBe(0)
    expect(errors()).toMatch(sentence)
    expect(output()).toBe('')
  })
})

describe('a running server', () => {
  test('its port and its folder are its own; SIGTERM saves what came, and exits 0; the next one has it', async () => {
    const data = join(dir.path, 'data')
    const port = await freePort()
    const first = run(['--data-dir', data, '--port', String(port)])
    await within(first.listening, 'the start', 60_000)
    expect(first.output()).toContain('no key is set')

    await Promise.all([
      expectSentence(run(['--data-dir', data, '--port', '0']), /DATA_DIR .* is in use by process \d+/),
      expectSentence(
        run(['--data-dir', join(dir.path, 'other'), '--port', String(port)]),
        new RegExp(`PORT ${port} on HOST 127\\.0\\.0\\.1 .* in use`),
      ),
    ])

    const bot = await WeftBot.open(`ws://127.0.0.1:${port}`)
    const room = await bot.join('kept')
    for (let i = 0; i < 200; i++) room.type('x')
    await bot.flush()
    first.child.kill('SIGTERM')
    expect((await within(bot.closed, 'the close')).code).toBe(4501)
    expect(await within(first.exit, 'the end')).toBe(0)
    expect(first.errors()).toBe('')

    const second = run(['--data-dir', data, '--port', String(port)])
    await within(second.listening, 'the second start', 60_000)
    const again = await WeftBot.open(`ws://127.0.0.1:${port}`)
    expect((await again.join('kept')).text).toBe('x'.repeat(200))
    second.child.kill('SIGINT')
    expect(await within(second.exit, 'the end')).toBe(0)
  }, 180_000)
})
