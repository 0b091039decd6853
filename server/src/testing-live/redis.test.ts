import { pino } from 'pino'
import postgresJs from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectRedisBus } from '../bus/index.js'
import { createServer } from '../server.js'
import { makeCertificates } from '../testing/certificates.js'
import { startPostgres, type TestPostgres } from '../testing/postgres.js'
import { startRedis, type TestRedis } from '../testing/redis.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { until } from '../testing/until.js'

const readiness = async (server: TestServer): Promise<{ status: number; body: unknown }> => {
  const response = await fetch(`${server.httpUrl}/readyz`)
  return { status: response.status, body: await response.json() }
}

const isReady = async (server: TestServer, status: string): Promise<boolean> =>
  JSON.stringify((await readiness(server)).body).includes(`"${status}"`)

describe('a node with Redis', () => {
  let postgres: TestPostgres
  let redis: TestRedis
  let databaseUrl: string

  beforeAll(async () => {
    postgres = await startPostgres()
    redis = await startRedis({ down: true })
    databaseUrl = await postgres.createDatabase()
  })
  afterAll(async () => {
    await redis.dispose()
    await postgres.dispose()
  })

  test('I4: it starts without Redis, ready and degraded, and says when Redis comes and goes', async () => {
    const server = await startServer({ databaseUrl, redisUrl: redis.url })
    expect(await readiness(server)).toEqual({
      status: 200,
      body: { status: 'degraded', database: 'ok', redis: 'away' },
    })
    expect(await server.metric('weft_bus_healthy')).toBe(0)
    await redis.restart()
    await until(() => isReady(server, 'ready'), 'it is ready')
    expect(await readiness(server)).toEqual({
      status: 200,
      body: { status: 'ready', database: 'ok', redis: 'ok' },
    })
    expect(await server.metric('weft_bus_healthy')).toBe(1)
    expect(await server.metric('weft_bus_ignored_total')).toBe(0)
    await redis.kill()
    await until(() => isReady(server, 'degraded'), 'it is degraded')
    await redis.restart()
    await until(() => isReady(server, 'ready'), 'it is ready again')
    const silent = (): void => undefined
    const observer = {
      published: silent,
      sent: silent,
      received: silent,
      dropped: silent,
      ignored: silent,
      disconnected: silent,
      fault: silent,
    }
    const sql = postgresJs(databaseUrl, { max: 1 })
    const [cluster] = await sql<{ id: string }[]>`select id from cluster`
    await sql.end()
    const listen = async (prefix: string): Promise<{ heard: string[]; close(): Promise<void> }> => {
      const other = await connectRedisBus({ url: redis.url, node: prefix, prefix, observer })
      const heard: string[] = []
      other.onAnnouncement(({ kind }) => heard.push(kind))
      await until(() => other.isHealthy, 'the other node is there')
      return { heard, close: () => other.close() }
    }
    const same = await listen(`weft:${cluster?.id}:`)
    const another = await listen('weft:another deployment:')
    await server.dispose()
    await until(() => same.heard.includes('bye'), 'the server says goodbye')
    expect(another.heard).toEqual([])
    expect(server.faults).toEqual([])
    await Promise.all([same.close(), another.close()])
  })

  test('a frozen Redis does not hold up a shutdown', async () => {
    const server = await startServer({ databaseUrl, redisUrl: redis.url })
    await until(() => isReady(server, 'ready'), 'it is ready')
    redis.stop()
    const before = performance.now()
    expect(await server.stop()).toBe(0)
    expect(performance.now() - before).toBeLessThan(5_000)
    redis.cont()
    await server.dispose()
  })
  test('I8: Redis over TLS: with REDIS_CA_FILE it is trusted, and another file stops the start', async () => {
    const certificates = await makeCertificates()
    const secure = await startRedis({ tls: certificates, user: { name: 'weft', password: 'secret42' } })
    const settings = { databaseUrl, redisUrl: secure.url }
    const server = await startServer({ ...settings, redisCaFile: certificates.caFile })
    await until(() => isReady(server, 'ready'), 'it is ready')
    await server.dispose()
    await expect(startServer({ ...settings, redisCaFile: certificates.keyFile })).rejects.toThrow(
      /^REDIS_CA_FILE is .*, which is not a PEM certificate\.$/,
    )
    await secure.dispose()
    await certificates.remove()
  })
  test('a frozen PostgreSQL: /readyz answers within about a second, and the log tells how long it was away', async () => {
    const lines: string[] = []
    const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
    const settings = { databaseUrl, redisUrl: redis.url, port: 0, playground: false, docWorkers: 1 }
    const server = await createServer({ ...settings, logger })
    const ask = async (): Promise<{ status: number; ms: number }> => {
      const before = performance.now()
      const { status } = await fetch(`${server.url}/readyz`)
      return { status, ms: performance.now() - before }
    }
    await until(async () => (await ask()).status === 200, 'it is ready')
    postgres.pause()
    try {
      await until(async () => {
        const answers = await Promise.all([ask(), ask(), ask()])
        expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(1_500)
        return answers.every(({ status }) => status === 503)
      }, 'it is not ready')
      expect((await ask()).ms).toBeLessThan(200)
    } finally {
      postgres.resume()
    }
    await until(async () => (await ask()).status === 200, 'it is ready again')
    const told = lines.filter((line) => line.includes('the database'))
    expect(told).toHaveLength(2)
    expect(told[0]).toContain('the database does not answer: nothing is saved until it does')
    expect(told[1]).toMatch(/"awayMs":\d+,"msg":"the database answers again"/)
    await server.close()
  })
})
