/*
 * P19: what a node relayed and did not commit before it died, and whose author is gone as well, comes back from those who saw
 * it, although they have nothing unsent. Otherwise it would be in their documents alone, and what they type on it would wait.
 */
import { createClient, type Client, type Room } from '@weft/client'
import {
  serverProcess,
  startPostgres,
  until,
  type ServerProcess,
  type TestPostgres,
} from '@weft/server/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'

let database: TestPostgres
let server: ServerProcess
const clients: Client[] = []

beforeAll(async () => {
  database = await startPostgres()
  server = await serverProcess({ DATABASE_URL: await database.createDatabase() })
  server.spawn()
  await server.untilUp()
})

afterAll(async () => {
  for (const client of clients) client.close()
  await server.kill()
  await database.dispose()
})

const enter = async (): Promise<{ client: Client; room: Room }> => {
  const client = createClient({ url: server.url, timing: { retryBase: 100, retryMax: 500 } })
  clients.push(client)
  const room = client.room('a')
  await room.synced()
  return { client, room }
}
const textOf = ({ doc }: Room): string => doc.getText('t').toJSON()

test('an edit that died with its node and its author is saved by who saw it, and what is typed on it too (I1, P19)', async () => {
  const [author, watcher, reader] = [await enter(), await enter(), await enter()]
  watcher.room.doc.getText('t').insert(0, 'b')
  await watcher.room.saved()
  await until(() => textOf(author.room) === 'b', 'the first edit')

  // Nothing is committed from here on, and everything is relayed (I3).
  await database.kill()
  author.room.doc.getText('t').insert(0, 'a')
  await until(() => [watcher, reader].every(({ room }) => textOf(room) === 'ab'), 'the relay')
  expect([watcher.room.unsaved, reader.room.unsaved]).toEqual([0, 0])
  author.client.close()
  await server.kill()
  await until(() => [watcher, reader].every(({ room }) => room.status === 'offline'), 'the end of the node')
  await database.start()
  server.spawn()

  await until(() => [watcher, reader].every(({ room }) => room.status === 'live'), 'both are back')
  watcher.room.doc.getText('t').insert(1, 'c')
  await watcher.room.saved()
  await until(() => textOf(reader.room) === 'acb', 'the edit on it')
  await reader.room.saved()
  const { room } = await enter()
  expect(textOf(room)).toBe('acb')
})
