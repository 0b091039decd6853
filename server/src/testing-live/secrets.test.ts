import { SignJWT } from 'jose'
import { pino } from 'pino'
import postgresJs from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createServer } from '../index.js'
import { startPostgres, until, type TestPostgres } from '../testing/index.js'
import { startRedis, type TestRedis } from '../testing/redis.js'
import { serverProcess, type ServerProcess } from '../testing/server-process.js'
import { WeftBot } from '../testing/weft-bot.js'
import { YjsRaw } from '../testing/yjs-raw.js'

/* Every secret has a mark, everything fails once, and no mark is found in what the server says to anybody. */

const marks = {
  database: 'MARKdatabasepassword',
  redis: 'MARKredispassword',
  secret: 'MARKjwtsecret-of-at-least-32-bytes',
  query: 'MARKquerytoken',
  header: 'MARKheadertoken',
  hello: 'MARKhellotoken',
  content: 'MARKdocumentcontent',
  payload: 'MARKeventpayload',
  presence: 'MARKpresencestate',
} as const

let postgres: TestPostgres
let redis: TestRedis
let server: ServerProcess
let databaseUrl: string
/** What clients were told in words. */
const told: string[] = []

beforeAll(async () => {
  postgres = await startPostgres()
  databaseUrl = await postgres.createDatabase()
  const sql = postgresJs(databaseUrl, { max: 1, onnotice: () => undefined })
  await sql.unsafe(`create role keeper superuser login password '${marks.database}'`)
  await sql.end()
  redis = await startRedis({ user: { name: 'weft', password: marks.redis } })
  const withUser = new URL(databaseUrl)
  withUser.username = 'keeper'
  withUser.password = marks.database
  server = await serverProcess({
    LOG_LEVEL: 'trace',
    DATABASE_URL: withUser.href,
    REDIS_URL: `redis://weft:${marks.redis}@127.0.0.1:${redis.port}`,
    JWT_SECRET: marks.secret,
    METRICS_TENANTS: '10',
  })
  server.spawn()
  await server.untilUp()
})

afterAll(async () => {
  await server.kill()
  await redis.dispose()
  await postgres.dispose()
})

const token = (): Promise<string> =>
  new SignJWT({ rooms: { '*': 'write' } })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ada')
    .sign(new TextEncoder().encode(marks.secret))

/** Everything that leaves the server in words, and the parts of good tokens. */
const expectNoMarks = async (good: string): Promise<void> => {
  const metrics = await (await fetch(`${server.url.replace('ws', 'http')}/metrics`)).text()
  const ready = await (await fetch(`${server.url.replace('ws', 'http')}/readyz`)).text()
  const said = [server.log, metrics, ready, ...told].join('\n')
  for (const mark of Object.values(marks)) {
    expect(said).not.toContain(mark)
    expect(said).not.toContain(Buffer.from(mark).toString('base64').slice(0, -4))
    expect(said).not.toContain(Buffer.from(mark).toString('hex'))
  }
  for (const part of good.split('.').slice(1)) expect(said).not.toContain(part)
}

test('no token, key, password or content is in a log, a metric, an error or a close reason, whatever fails', async () => {
  const good = await token()
  // Bad tokens, by every way in.
  const stranger = await WeftBot.connect(server.url)
  stranger.hello(marks.hello)
  told.push((await stranger.closed).reason, JSON.stringify(stranger.frames))
  const stock = await YjsRaw.connect(server.url, `r?token=${marks.query}.x.y`)
  told.push((await stock.closed).reason)
  const http = server.url.replace('ws', 'http')
  for (const path of [`/nothing?token=${marks.query}`, '/v1/connect', '/metrics'])
    told.push(
      await (await fetch(`${http}${path}`, { headers: { authorization: `Bearer ${marks.header}` } })).text(),
    )
  // A member with content, messages and presence, and frames that are none.
  const ada = await WeftBot.open(server.url, { token: good })
  const room = await ada.join('r')
  room.type(marks.content)
  room.append('say', marks.payload)
  room.show(7, 1, { at: marks.presence })
  await room.saved()
  const broken = await YjsRaw.open(server.url, `r?token=${good}`)
  broken.raw(Buffer.from(`\0\u0002${marks.content}`))
  told.push((await broken.closed).reason)
  const rude = await WeftBot.open(server.url, { token: good })
  rude.raw(Buffer.from(marks.payload))
  told.push((await rude.closed).reason, JSON.stringify(rude.frames))
  // The database refuses content for good, and says what it was.
  const sql = postgresJs(databaseUrl, { max: 1, onnotice: () => undefined })
  await sql.unsafe(`
    create function refuse() returns trigger language plpgsql as $$
    begin
      raise exception 'refused: %', convert_from(substring(new.payload from 2), 'LATIN1') using errcode = '22000', detail = encode(new.payload, 'escape');
    end $$;
    create trigger refuse before insert on events for each row execute function refuse()`)
  const refused = room.append('say', marks.payload)
  expect(await room.fate(refused)).toBe('quarantined')
  await sql`drop trigger refuse on events`
  await sql.end()
  // Redis, then the database, go away and come back.
  await redis.kill()
  await until(async () => (await server.metric('weft_bus_healthy')) === 0, 'Redis is missed', 30_000)
  await postgres.kill()
  const unsaved = room.append('say', `${marks.payload} later`)
  ada.requestJoin('another')
  await until(() => server.log.includes('the database does not answer'), 'the database is missed', 30_000)
  told.push(JSON.stringify(await ada.next('error')))
  await expectNoMarks(good)
  await postgres.start()
  await redis.restart()
  expect(await room.fate(unsaved)).toBeGreaterThan(0)
  told.push(
    JSON.stringify(ada.frames.filter(({ type }) => ['error', 'nack', 'left', 'welcome'].includes(type))),
  )
  expect(await server.terminate()).toBe(0)
  server.spawn()
  await server.untilUp()
  await expectNoMarks(good)
  expect(server.log).toContain('the database refuses a change')
  await ada.close()
})

test('I8: an authorization hook that throws tells clients nothing of its words, and the log nothing of tokens', async () => {
  const mark = 'MARKhookpassword'
  let log = ''
  const hooked = await createServer({
    port: 0,
    databaseUrl: await postgres.createDatabase(),
    jwtSecret: marks.secret,
    authorize: ({ room }) => {
      if (room === 'late') return Promise.reject(new Error(`no answer of postgres://app:${mark}@database`))
      throw new Error(`cannot reach postgres://app:${mark}@database`)
    },
    logger: pino({ level: 'trace' }, { write: (line: string) => void (log += line) }),
  })
  try {
    const url = hooked.url.replace('http', 'ws')
    const good = await token()
    const ada = await WeftBot.open(url, { token: good })
    for (const room of ['late', 'at once']) {
      const refused = await ada.joinRefused(room)
      expect(refused).toMatchObject({ code: 'internal' })
      expect(JSON.stringify(refused)).not.toContain(mark)
      const stock = await YjsRaw.connect(url, `${room.replace(' ', '%20')}?token=${good}`)
      expect(JSON.stringify(await stock.closed)).not.toContain(mark)
    }
    expect(await hooked.metrics()).not.toContain(mark)
    // Its own words are for the operator, to whom they say what is wrong.
    expect(log).toContain('the authorization hook failed')
    for (const part of good.split('.').slice(1)) expect(log).not.toContain(part)
    await ada.close()
  } finally {
    await hooked.close()
  }
})

test('a start that fails names the setting, and none of its value', async () => {
  const wrong = [
    { DATABASE_URL: `postgres://keeper:${marks.database}@127.0.0.1:1/none` },
    { DATABASE_URL: `mysql://keeper:${marks.database}@127.0.0.1/none` },
    { DATABASE_URL: databaseUrl, REDIS_URL: `http://weft:${marks.redis}@127.0.0.1` },
    { DATABASE_URL: databaseUrl, JWT_SECRET: 'MARKshort' },
    { DATABASE_URL: databaseUrl, JWT_PUBLIC_KEY: marks.secret },
    { DATABASE_URL: databaseUrl, JWT_JWKS_URL: `ftp://user:${marks.secret}@host/keys` },
  ]
  for (const env of wrong) {
    const failing = await serverProcess({ LOG_LEVEL: 'trace', ...env })
    failing.spawn()
    await expect(failing.untilUp()).rejects.toThrow('the server stopped')
    expect(failing.log).not.toBe('')
    expect(failing.log).not.toContain('MARK')
  }
})
