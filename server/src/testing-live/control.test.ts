import { createClient, type Client, type Room } from '@weft/client'
import { pino } from 'pino'
import postgresJs from 'postgres'
import { WebSocket } from 'ws'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { MemoryBus, createServer, type WeftServer } from '../index.js'
import { startPostgres, until, type TestPostgres } from '../testing/index.js'
import { makeToken, testSecret } from '../testing/tokens.js'
import { WeftBot } from '../testing/weft-bot.js'
import { YjsRaw } from '../testing/yjs-raw.js'

/* What is done to rooms and users at one node, and happens at another. */

let postgres: TestPostgres
let databaseUrl: string
let here: WeftServer
let there: WeftServer
const clients: Client[] = []
const sockets: WebSocket[] = []

beforeAll(async () => {
  postgres = await startPostgres()
  databaseUrl = await postgres.createDatabase()
  const bus = new MemoryBus()
  const start = (node: string): Promise<WeftServer> =>
    createServer({
      port: 0,
      host: '127.0.0.1',
      databaseUrl,
      jwtSecret: testSecret,
      bus: bus.connect(node),
      logger: pino({ level: 'silent' }),
    })
  here = await start('here')
  there = await start('there')
})

afterEach(() => {
  for (const client of clients.splice(0)) client.close()
  for (const socket of sockets.splice(0)) socket.terminate()
})

afterAll(async () => {
  await Promise.all([here.close(), there.close()])
  await postgres.dispose()
})

/** Somebody in a room, connected to the other node. @returns the room, and the tokens that were asked for */
const connect = async (name: string, user: string): Promise<{ room: Room; tokens: () => number }> => {
  let tokens = 0
  const client = createClient({
    url: there.url,
    timing: { retryBase: 20 },
    auth: () => {
      tokens++
      return makeToken({ '*': 'write' }, { user })
    },
  })
  clients.push(client)
  const room = client.room(name)
  await room.synced()
  return { room, tokens: () => tokens }
}

/** A stock client's socket. @returns the close code, once it is closed */
const connectStock = async (name: string, user: string): Promise<() => number | null> => {
  const token = await makeToken({ '*': 'write' }, { user })
  const socket = new WebSocket(`${there.url.replace('http', 'ws')}/yjs/${name}?token=${token}`)
  sockets.push(socket)
  let code: number | null = null
  socket.on('close', (given) => (code = given))
  await new Promise((resolve) => socket.once('message', resolve))
  return () => code
}

test('P47: close_room: everybody leaves, and is back with everything', async () => {
  const { room } = await connect('closed', 'ada')
  const stock = await connectStock('closed', 'bob')
  room.doc.getText('t').insert(0, 'kept')
  await room.saved()
  const left: string[] = []
  room.on('status', (status) => left.push(status))
  here.control.closeRoom('closed')
  await until(() => left.includes('live'), 'the client is back')
  expect(left[0]).not.toBe('live')
  await until(() => stock() === 4501, 'the stock client is told to come back')
  expect(room.doc.getText('t').toJSON()).toBe('kept')
})

test('P46: delete_room: everybody leaves for good, stock clients with a permanent code; the name is a new room (I2)', async () => {
  const { room } = await connect('deleted', 'ada')
  const stock = await connectStock('deleted', 'bob')
  room.doc.getText('t').insert(0, 'gone')
  await room.saved()
  expect(await here.control.deleteRoom('deleted')).toBe(true)
  await until(() => room.status === 'denied', 'the client is told')
  await until(() => stock() === 4410, 'the stock client is told')
  expect(await here.control.deleteRoom('deleted')).toBe(false)
  const again = await connect('deleted', 'eve')
  expect(again.room.doc.getText('t').toJSON()).toBe('')
})

test('P48: disconnect: for good, or until a new token is there; others stay', async () => {
  const ada = await connect('users', 'ada')
  const bob = await connect('users', 'bob')
  const stock = await connectStock('users', 'ada')
  expect(ada.tokens()).toBe(1)
  await here.control.disconnectUser('ada', false)
  await until(() => stock() === 4407, 'the stock client is told')
  await until(
    () => ada.tokens() === 2 && ada.room.status === 'live',
    'the client comes back with a new token',
  )
  await here.control.disconnectUser('ada', true)
  await until(() => clients[0]?.status === 'denied', 'the client stays away')
  expect(bob.room.status).toBe('live')
  expect(bob.tokens()).toBe(1)
})

test('P49, P80: grant: write is taken and given back, and all of it revoked, while the client is connected', async () => {
  const { room } = await connect('granted', 'ada')
  await here.control.grant('ada', 'granted', 'read')
  await until(() => room.access === 'read', 'the client is told')
  room.doc.getMap('m').set('k', 1)
  expect(room.unsaved).toBe(1)
  await here.control.grant('ada', 'granted', 'write')
  await room.saved()
  expect(room.access).toBe('write')
  await here.control.grant('ada', 'granted', null)
  await until(() => room.status === 'denied', 'the client is told')
})

/** Ada, frame by frame, connected to the other node. */
const bot = async (): Promise<WeftBot> =>
  WeftBot.open(there.url.replace('http', 'ws'), { token: await makeToken({ '*': 'write' }, { user: 'ada' }) })

test('P46, P47, P49: what is done to a room ends the membership with LEFT, and the connection lives on', async () => {
  const ada = await bot()
  const closed = await ada.join('wire')
  here.control.closeRoom('wire')
  expect(await ada.next('left')).toMatchObject({ room: closed.number, code: 'draining' })
  const back = await ada.join('wire')
  back.type('kept')
  await back.saved()
  await here.control.grant('ada', 'wire', null)
  expect(await ada.next('left')).toMatchObject({ code: 'forbidden' })
  expect(await ada.joinRefused('wire')).toMatchObject({ code: 'forbidden' })
  await here.control.grant('ada', 'wire', 'write')
  const granted = await ada.join('wire')
  expect(granted.text).toBe('kept')
  await here.control.deleteRoom('wire')
  expect(await ada.next('left')).toMatchObject({ room: granted.number, code: 'room_deleted' })
  const anew = await ada.join('wire')
  expect(anew.text).toBe('')
  await ada.close()
})

test('P48, P49: the close code tells whether to come back; an ERROR goes before', async () => {
  for (const [final, code, close] of [
    [true, 'forbidden', 4403],
    [false, 'token_expired', 4407],
  ] as const) {
    const ada = await bot()
    await here.control.disconnectUser('ada', final)
    expect(await ada.next('error')).toMatchObject({ request: null, code })
    expect((await ada.closed).code).toBe(close)
  }
  const stock = await connectStock('revoked', 'ada')
  await here.control.grant('ada', 'revoked', null)
  await until(() => stock() === 4403, 'the stock client is told')
})

/**
 * Bob, a stock client, whose room is still being opened: the database holds the query up.
 * @param meanwhile done while it is
 */
const joiningStock = async (
  name: string,
  granted: 'read' | 'write',
  meanwhile: () => Promise<void>,
): Promise<YjsRaw> => {
  const token = await makeToken({ '*': granted }, { user: 'bob' })
  const [holder, watcher] = [postgresJs(databaseUrl, { max: 1 }), postgresJs(databaseUrl, { max: 1 })]
  try {
    return await holder.begin(async (sql) => {
      await sql`lock table rooms in access exclusive mode`
      const stock = await YjsRaw.connect(there.url.replace('http', 'ws'), `${name}?token=${token}`)
      await until(async () => {
        const waiting = await watcher`select 1 from pg_stat_activity
          where wait_event_type = 'Lock' and query like '%insert into rooms%' and pid <> pg_backend_pid()`
        return waiting.length > 0
      }, 'the room is being opened')
      await meanwhile()
      return stock
    })
  } finally {
    await Promise.all([holder.end(), watcher.end()])
  }
}

test('P49: a stock client that is still joining has its grant revoked', async () => {
  const stock = await joiningStock('joining', 'write', () => there.control.grant('bob', 'joining', null))
  expect((await stock.closed).code).toBe(4403)
  expect(stock.count('step1')).toBe(0)
})

test('P49: a stock client that is still joining may write, or only read, as it was granted meanwhile', async () => {
  const reads = await joiningStock('joining to read', 'write', () =>
    there.control.grant('bob', 'joining to read', 'read'),
  )
  await reads.sync()
  reads.type('refused')
  await until(() => reads.count('auth') === 1, 'the change is refused')
  const writes = await joiningStock('joining to write', 'read', () =>
    there.control.grant('bob', 'joining to write', 'write'),
  )
  await writes.sync()
  writes.type('taken')
  const { room } = await connect('joining to write', 'ada')
  await until(() => room.doc.getText('text').toJSON() === 'taken', 'the change is there')
  expect(writes.count('auth')).toBe(0)
  expect((await connect('joining to read', 'ada')).room.doc.getText('text').toJSON()).toBe('')
  await Promise.all([reads.close(), writes.close()])
})
