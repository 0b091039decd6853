/* DESIGN "Journal": a change that the database refuses for good is set aside alone, whatever stands around it. */
import { createClient } from '@weft/client'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as Y from 'yjs'
import { startPostgres, type TestPostgres } from '../testing/postgres.js'
import { startServer, type TestServer } from '../testing/start-server.js'
import { until, within } from '../testing/until.js'
import { WeftBot } from '../testing/weft-bot.js'
import { YjsRaw } from '../testing/yjs-raw.js'

/** What the trigger refuses, wherever it stands in a payload. */
const marker = 'P01S0N'

let database: TestPostgres
let server: TestServer
let sql: postgres.Sql

beforeAll(async () => {
  database = await startPostgres()
  const databaseUrl = await database.createDatabase()
  server = await startServer({ databaseUrl })
  sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined })
  await sql.unsafe(`
    create function refuse_poison() returns trigger language plpgsql as $$
    begin
      if position('${marker}'::bytea in new.payload) > 0 then
        raise exception 'the payload is poisoned' using errcode = '22000';
      end if;
      return new;
    end $$;
    create trigger poison before insert on events for each row execute function refuse_poison()`)
})

afterAll(async () => {
  await sql.end()
  await server.dispose()
  await database.dispose()
})

test('P23, I7: a poisoned update or message gets NACK quarantined; all around it is committed, in order, and acked', async () => {
  const [bad, good] = [await WeftBot.open(server.wsUrl), await WeftBot.open(server.wsUrl)]
  const [poisoner, other] = [await bad.join('r'), await good.join('r')]
  // In one batch: the journal gathers what comes while the first of them is being committed.
  other.type('a')
  poisoner.append('say', 'before')
  const message = poisoner.append('say', `a ${marker} message`)
  const update = poisoner.update(Y.encodeStateAsUpdate(docOf(marker, 'aside')))
  poisoner.append('say', 'after')
  other.type('b')
  poisoner.update(Y.encodeStateAsUpdate(docOf('c', 'text')))
  other.append('say', 'by another')
  await Promise.all([poisoner.saved(), other.saved()])
  const nacks = bad.frames.filter((frame) => frame.type === 'nack')
  expect(nacks.map(({ n, code }) => ({ n, code }))).toEqual([
    { n: message, code: 'quarantined' },
    { n: update, code: 'quarantined' },
  ])
  expect(good.frames.filter(({ type }) => type === 'nack')).toEqual([])
  // The journal goes on: one more, alone.
  other.type('d')
  await other.saved()
  await until(() => other.events.length === 3, 'the messages')
  expect(other.events.map(({ seq }) => seq)).toEqual(other.events.map(({ seq }) => seq).sort((a, b) => a - b))
  expect([...other.messages].sort()).toEqual(['after', 'before', 'by another'])
  expect(poisoner.messages.indexOf('before')).toBeLessThan(poisoner.messages.indexOf('after'))
  expect(await server.metric('weft_quarantined_total')).toBe(2)

  // I2: no number was spent on them.
  const rows = await sql<{ seq: string }[]>`select seq from events order by seq`
  expect(rows.map(({ seq }) => Number(seq))).toEqual(rows.map((_, i) => i + 1))
  expect(rows).toHaveLength(7)

  await server.restart()
  const fresh = await (await WeftBot.open(server.wsUrl)).join('r')
  expect(Array.from(fresh.text).sort().join('')).toBe('abcd')
})

test('P23: the SDK tells of the refused change, and others in the room are saved', async () => {
  const clients = [createClient({ url: server.wsUrl }), createClient({ url: server.wsUrl })]
  const [mine, theirs] = clients.map((client) => client.room('sdk'))
  await Promise.all([mine!.synced(), theirs!.synced()])
  const rejected = new Promise<string>((resolve) => mine!.on('rejected', ({ code }) => resolve(code)))
  mine!.doc.getMap('m').set('k', marker)
  await expect(mine!.saved()).rejects.toMatchObject({ code: 'quarantined' })
  expect(await rejected).toBe('quarantined')
  // Its clocks come as deleted content: what is typed next hangs on them.
  mine!.doc.getText('mine').insert(0, 'later')
  await mine!.saved()
  expect(mine!.unsaved).toBe(0)
  theirs!.doc.getText('text').insert(0, 'unharmed')
  await theirs!.saved()
  for (const client of clients) client.close()
  await server.restart()
  const fresh = createClient({ url: server.wsUrl })
  const room = fresh.room('sdk')
  await room.synced()
  expect(room.doc.getText('text').toJSON()).toBe('unharmed')
  expect(room.doc.getText('mine').toJSON()).toBe('later')
  expect(room.doc.getMap('m').size).toBe(0)
  fresh.close()
})

test('what is refused is kept for a person to look at; a stock client is told not to come back with it', async () => {
  const stock = await YjsRaw.open(server.wsUrl, 'stock')
  const update = Y.encodeStateAsUpdate(docOf(`${marker} of a stock client`, 'aside'))
  stock.update(update)
  expect((await within(stock.closed, 'the close')).code).toBe(4400)
  const bot = await (await WeftBot.open(server.wsUrl)).join('stock')
  const n = bot.append('say', marker)
  await until(() => bot.bot.frames.some((frame) => frame.type === 'nack' && frame.n === n), 'the NACK')
  const kept = async (): Promise<{ seq: unknown; payload: Uint8Array; reason: string }[]> =>
    await sql`
    select seq, payload, reason from quarantined_events join rooms on rooms.id = room_id
    where rooms.name = 'stock' order by quarantined_events.id`
  await until(async () => (await kept()).length === 2, 'the rows')
  const [first] = await kept()
  expect(first).toMatchObject({ seq: null, reason: 'the payload is poisoned' })
  expect(new Uint8Array(first!.payload)).toEqual(update)
})

/**
 * A document of its own, which refers to nothing else. What is poisoned stands in a text of its own as well: who types
 * beside it refers to it, and is never acknowledged (I1).
 */
const docOf = (content: string, name: string): Y.Doc => {
  const doc = new Y.Doc()
  doc.getText(name).insert(0, content)
  return doc
}
