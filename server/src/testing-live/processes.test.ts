/* `weft start --processes`: the compiled program with real processes behind one port. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { listenOn, loadUws, sharedPort } from '../gateway/uws.js'
import { freePort, startPostgres, type TestPostgres } from '../testing/postgres.js'
import { startRedis, type TestRedis } from '../testing/redis.js'
import { until, within } from '../testing/until.js'
import { WeftBot } from '../testing/weft-bot.js'
import { WeftPeer } from '../testing/weft-peer.js'
import { workerUrl } from '../worker-url.js'

/** A process as its log names it. */
interface Life {
  readonly pid: number
  readonly node: string
}

/** The supervisor of a test, and all processes that it ever had. */
class Group {
  readonly child: ChildProcess
  readonly port: number
  /** Resolves when the supervisor and all its processes are gone: they share its output. */
  readonly exit: Promise<number | null>
  output = ''
  errors = ''

  constructor(port: number, env: Readonly<Record<string, string>>) {
    this.port = port
    const child = spawn(process.execPath, [workerUrl('../main.js', import.meta.url).pathname, 'start'], {
      env: {
        PATH: process.env['PATH'],
        PORT: String(port),
        PLAYGROUND: 'false',
        DOC_WORKERS: '1',
        DRAIN_MS: '200',
        WEFT_PROCESSES: '2',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child = child
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.output += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.errors += text))
    this.exit = once(child, 'close').then(([code]) => code as number | null)
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`
  }

  /** Every process that has listened, in that order. */
  get lives(): Life[] {
    return this.lines('Weft listens on').map(({ pid, node }) => ({ pid: Number(pid), node: String(node) }))
  }

  lines(message: string): Record<string, unknown>[] {
    return this.output
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg }) => String(msg).includes(message))
  }

  async untilLives(count: number): Promise<Life[]> {
    await until(
      () => {
        if (this.child.exitCode !== null) throw new Error(`it stopped:\n${this.output}${this.errors}`)
        return this.lives.length >= count
      },
      `${count} starts`,
      60_000,
    )
    return this.lives
  }

  /** Connects until a connection has reached the node. */
  async reach(node: string): Promise<WeftBot> {
    let found: WeftBot | null = null
    await until(async () => {
      const bot = await WeftBot.open(this.url)
      if (nodeOf(bot) === node) found = bot
      else bot.terminate()
      return found !== null
    }, `a connection to ${node}`)
    return found!
  }

  /** Whatever a failed test left behind. */
  async destroy(): Promise<void> {
    this.child.kill('SIGKILL')
    for (const { pid } of this.lives) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    await this.exit
  }
}

const nodeOf = (bot: WeftBot): string => {
  const welcome = bot.frames.find((frame) => frame.type === 'welcome')
  if (welcome?.type !== 'welcome') throw new Error('no WELCOME')
  return welcome.node
}

/** A zombie has ended: an orphan stays one where nobody reaps it. */
const isAlive = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in brackets, may hold spaces.
    return !/^\) [ZX]/.test(stat.slice(stat.lastIndexOf(')')))
  } catch {
    // Gone.
    return false
  }
}

let database: TestPostgres
let redis: TestRedis
const groups: Group[] = []

const start = async (env: Readonly<Record<string, string>> = {}): Promise<Group> => {
  const group = new Group(await freePort(), {
    DATABASE_URL: await database.createDatabase(),
    REDIS_URL: redis.url,
    ...env,
  })
  groups.push(group)
  return group
}

/** It ends with one sentence. */
const expectSentence = async (group: Group, sentence: RegExp): Promise<void> => {
  expect(await within(group.exit, 'the end', 60_000)).toBe(1)
  expect(group.errors).toMatch(sentence)
  expect(group.errors).toMatch(/^weft: [^\n]*\.\n$/)
}

beforeAll(async () => {
  const [postgres, started] = await Promise.all([startPostgres(), startRedis()])
  database = postgres
  redis = started
})
afterEach(async () => {
  for (const group of groups.splice(0)) await group.destroy()
})
afterAll(async () => {
  await redis.dispose()
  await database.dispose()
})

describe('two processes on one port', () => {
  test('both get connections, and SIGTERM ends both with 0', async () => {
    const group = await start()
    const lives = await group.untilLives(2)
    const bots = await Promise.all(lives.map(({ node }) => group.reach(node)))
    const rooms = await Promise.all(bots.map((bot) => bot.join('shared')))
    for (const [index, room] of rooms.entries()) room.type(index === 0 ? 'a' : 'b')
    await Promise.all(rooms.map((room) => room.saved()))
    await until(() => rooms.every(({ text }) => text.length === 2), 'both have both changes')
    group.child.kill('SIGTERM')
    for (const { code } of await Promise.all(bots.map(({ closed }) => within(closed, 'the close'))))
      expect(code).toBe(4501)
    expect(await within(group.exit, 'the end', 30_000)).toBe(0)
    expect(lives.map(({ pid }) => isAlive(pid))).toEqual([false, false])
    expect(group.errors).toBe('')
    expect(group.lines('died')).toEqual([])
  })

  test('one that is killed comes back, and its clients with all that was acknowledged; the other goes on', async () => {
    const group = await start()
    const [victim, other] = (await group.untilLives(2)) as [Life, Life]
    const [witness, doomed] = [await group.reach(other.node), await group.reach(victim.node)]
    // Peers until one is on the victim: which one a connection reaches is the kernel's choice.
    const peers: WeftPeer[] = []
    for (let i = 0; i < 16; i++)
      peers.push(new WeftPeer({ url: () => group.url, room: 'kept', retryDelay: () => 20 }))
    try {
      await until(() => peers.every(({ live }) => live), 'all peers are in')
      for (const [index, peer] of peers.entries()) peer.doc.getText('text').insert(0, `${index},`)
      await until(() => peers.every(({ unsaved }) => unsaved === 0), 'all is saved')
      process.kill(victim.pid, 'SIGKILL')
      await within(doomed.closed, 'the end of the connection')
      const [, , successor] = (await group.untilLives(3)) as [Life, Life, Life]
      await group.reach(successor.node)
      for (const peer of peers) peer.doc.getText('text').insert(0, '+')
      await until(() => peers.every(({ live, unsaved }) => live && unsaved === 0), 'all are back')
      expect(peers.some(({ joins }) => joins > 1)).toBe(true)
      expect(peers.flatMap(({ breaches }) => breaches)).toEqual([])
      const fresh = await (await group.reach(other.node)).join('kept')
      for (const index of peers.keys()) expect(fresh.text.split(/[,+]/)).toContain(String(index))
      expect(fresh.text.match(/\+/g)).toHaveLength(peers.length)
      await witness.flush()
      expect(group.lines('died')).toMatchObject([{ pid: victim.pid, signal: 'SIGKILL' }])
    } finally {
      for (const peer of peers) peer.close()
    }
  })

  test('METRICS_PORT has the metrics of both, and says who they are', async () => {
    const metricsPort = await freePort()
    const group = await start({ METRICS_PORT: String(metricsPort) })
    const lives = await group.untilLives(2)
    const [first] = (await Promise.all(lives.map(({ node }) => group.reach(node)))) as [WeftBot, WeftBot]
    const scrape = async (port: number): Promise<string> =>
      await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    let text = ''
    // Those that reached the other process on the way are still being let go of.
    await until(async () => {
      text = await scrape(metricsPort)
      return [1, 2].every((number) =>
        text.includes(`weft_connections{process="${number}",dialect="weft"} 1\n`),
      )
    }, 'one connection each')
    const infos = [...text.matchAll(/^weft_process_info\{node="(\w+)",process="(\d)"\} 1$/gm)]
    expect(infos.map(([, node]) => node).sort()).toEqual(lives.map(({ node }) => node).sort())
    expect(infos.map(([, , number]) => number)).toEqual(['1', '2'])
    expect(text.match(/^# TYPE weft_relay_seconds /gm)).toHaveLength(1)
    expect(text).toContain('weft_process_restarts_total{process="1"} 0\n')
    const ask = async (path: string): Promise<unknown> =>
      (await fetch(`http://127.0.0.1:${metricsPort}${path}`)).json()
    expect(await ask('/healthz')).toEqual({ status: 'ok', processes: 2, up: 2 })
    await until(
      async () => JSON.stringify(await ask('/readyz')).startsWith('{"status":"ready"'),
      'both are ready',
    )
    const one = { status: 'ready', database: 'ok', redis: 'ok' }
    expect(await ask('/readyz')).toEqual({
      status: 'ready',
      processes: [
        { process: 1, ...one },
        { process: 2, ...one },
      ],
    })
    expect(await scrape(group.port)).toMatch(/^weft_process_info\{node="\w+",process="[12]"\} 1$/m)
    await first.close()
  })

  test('end in an orderly way when their supervisor is killed', async () => {
    const group = await start()
    const lives = await group.untilLives(2)
    const bots = await Promise.all(lives.map(({ node }) => group.reach(node)))
    const rooms = await Promise.all(bots.map((bot) => bot.join('orphan')))
    for (const room of rooms) room.type('x')
    group.child.kill('SIGKILL')
    for (const { code } of await Promise.all(bots.map(({ closed }) => within(closed, 'the close'))))
      expect(code).toBe(4501)
    await within(group.exit, 'the end of all', 30_000)
    // Their output ends a moment before they do.
    await until(() => !lives.some(({ pid }) => isAlive(pid)), 'no process is left')
    expect(group.lines('stopped')).toHaveLength(2)
    expect(rooms.map(({ acked }) => acked)).toEqual([1, 1])
  })
})

describe('I8: what cannot start says so once', () => {
  test('a setting that only the processes can check', async () => {
    await expectSentence(await start({ JWT_SECRET: 'short' }), /JWT_SECRET must have at least 32 bytes/)
  })

  test('a missing setting, and a database that is not there', async () => {
    await expectSentence(await start({ REDIS_URL: '' }), /WEFT_PROCESSES .* set REDIS_URL/)
    await expectSentence(await start({ DATABASE_URL: 'postgres://127.0.0.1:1/none' }), /DATABASE_URL/)
  })

  test('a port that another program would share silently, or a metrics port that is taken', async () => {
    const group = await start()
    const metricsPort = await freePort()
    await group.untilLives(2)
    const uws = await loadUws()
    const app = uws.App()
    const port = await freePort()
    expect(await listenOn(app, '127.0.0.1', port, sharedPort)).not.toBe(false)
    try {
      await expectSentence(await start({ PORT: String(port) }), new RegExp(`PORT ${port} on HOST .* in use`))
    } finally {
      app.close()
    }
    await expectSentence(
      await start({ PORT: String(metricsPort), METRICS_PORT: String(group.port) }),
      new RegExp(`METRICS_PORT ${group.port} on HOST .* in use`),
    )
  })
})
