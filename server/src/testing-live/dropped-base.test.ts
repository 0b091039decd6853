import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient, type Client } from '@weft/client'
import { startServer, type TestServer } from '../testing/start-server.js'
import { until } from '../testing/until.js'

let server: TestServer
const clients: Client[] = []

beforeAll(async () => {
  server = await startServer({ compactBytes: 1_024, maxBaseBytes: 0, roomIdleMs: 600_000 })
})

afterAll(async () => {
  for (const client of clients) client.close()
  await server.dispose()
})

const textIn = async (name: string, write = ''): Promise<string> => {
  const client = createClient({ url: server.wsUrl })
  clients.push(client)
  const room = client.room(name)
  await room.synced()
  const text = room.doc.getText('t')
  for (const letter of write) room.doc.transact(() => text.insert(text.length, letter.repeat(100)))
  await room.saved()
  return text.toJSON()
}

test('I6: a base that was let go of is read again for the next joiner', async () => {
  const letters = 'abcdefghijklmnopqrstuvwxyz'
  const contents = new Map<string, string>()
  for (const name of ['one', 'two', 'three']) {
    const before = await server.metric('weft_compaction_seconds_count')
    contents.set(name, await textIn(name, letters + name))
    await until(async () => (await server.metric('weft_compaction_seconds_count')) > before, 'a compaction')
  }
  // Only the newest base is held now. Twice: reading one again lets go of another.
  for (let i = 0; i < 2; i++) {
    for (const [name, content] of contents) expect(await textIn(name)).toBe(content)
  }
})
