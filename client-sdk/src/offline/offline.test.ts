import 'fake-indexeddb/auto'
import { decodeValue } from '@weft/protocol'
import { IDBFactory } from 'fake-indexeddb'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as Y from 'yjs'
import type { Client, Room } from '../types.js'
import { FakeLocks } from '../testing/fake-locks.js'
import { harness, settle } from '../testing/harness.js'
import { MortalDatabase } from '../testing/mortal-database.js'
import { Database, result } from './database.js'
import { indexedDB } from './index.js'
import { readRoom } from './records.js'

/*
 * Tabs of one browser in one room, and everything that happens to tabs: they are opened and closed, and die with a
 * transaction half done; the connection comes and goes, the server crashes and loses what it has not committed. After
 * each step: what is kept holds every event up to its position. In the end: what the device or the server has confirmed
 * is in the room, and nothing is there twice.
 */
type Action =
  | { do: 'type' | 'append' | 'confirm' | 'kill' | 'close' | 'cut' | 'disconnect' | 'connect'; who: number }
  | { do: 'open' | 'write' | 'crash' | 'wait' | 'forget' | 'commit' }

let runs = 0
const seen = { kills: 0, aborted: 0, adopted: 0, resumed: 0, confirmed: 0, recognised: 0, compared: 0 }

interface Tab {
  readonly client: Client
  readonly room: Room
  readonly database: MortalDatabase
  /** Words typed and appended since the last confirmation. */
  words: string[]
}

const run = async (actions: readonly Action[]): Promise<void> => {
  const { server, client, pass } = harness()
  server.autoCommit = false
  const factory = new IDBFactory()
  const locks = new FakeLocks()
  // Tabs of other runs are another browser's.
  const name = `run ${++runs}`
  const confirmed = new Set<string>()
  let tabs: Tab[] = []
  let count = 0

  const open = (): Tab => {
    const database = new MortalDatabase(factory)
    const persistence = indexedDB({
      name,
      user: null,
      indexedDB: database.factory,
      locks: locks.of(database),
    })
    const opened = client({ persistence })
    const tab = { client: opened, room: opened.room('a'), database, words: [] }
    tabs.push(tab)
    return tab
  }
  const word = (tab: Tab, kind: string): string => {
    const said = `${kind}${++count};`
    tab.words.push(said)
    return said
  }
  /** What has been said so far must not be lost any more, if the device or the server takes it. */
  const confirm = async (tab: Tab): Promise<void> => {
    const said = tab.words
    tab.words = []
    const kept = tab.room.stored()
    await pass(500)
    const answer = await Promise.race([kept, settle().then(() => null)])
    if (answer !== true && tab.room.unsaved > 0) return
    for (const each of said) confirmed.add(each)
    seen.confirmed += said.length
  }

  open()
  await pass(1_000)
  for (const next of actions) {
    const tab = 'who' in next ? tabs[next.who % Math.max(1, tabs.length)] : undefined
    switch (next.do) {
      case 'open':
        if (tabs.length < 3) open()
        break
      case 'type':
        if (tab === undefined) break
        tab.room.doc.getText('t').insert(tab.room.doc.getText('t').length, word(tab, 't'))
        break
      case 'append':
        void tab?.room.events.append('said', word(tab, 'e')).catch(() => undefined)
        break
      case 'confirm':
        if (tab !== undefined) await confirm(tab)
        break
      case 'kill':
        if (tab === undefined) break
        seen.kills++
        // In the middle of writing something down, as a rule.
        tab.room.doc.getText('t').insert(0, word(tab, 't'))
        await new Promise((resolve) => void setImmediate(resolve))
        seen.aborted += tab.database.kill()
        tab.client.disconnect()
        locks.kill(tab.database)
        tabs = tabs.filter((each) => each !== tab)
        break
      case 'close':
        tab?.client.close()
        tabs = tabs.filter((each) => each !== tab)
        break
      case 'cut':
        server.sockets.filter((socket) => !socket.gone)[next.who]?.drop()
        break
      case 'disconnect':
        tab?.client.disconnect()
        break
      case 'connect':
        tab?.client.connect()
        break
      case 'write':
        server.write('a', (doc) => doc.getText('t').insert(0, `o${++count};`))
        break
      case 'crash':
        server.crash()
        break
      case 'forget':
        server.resumes = !server.resumes
        break
      case 'commit':
        server.commit('a', 2)
        break
      case 'wait':
        await pass(1_000)
        break
    }
    if (count % 3 === 0) await settle()
    await checkKept(factory, name, server.room('a').log)
  }

  // The next visit, when all is well again.
  server.autoCommit = true
  server.resumes = true
  server.commit('a')
  for (const { client } of tabs) client.connect()
  const last = open()
  await pass(90_000)
  for (const { room } of tabs) {
    expect(room.unsaved).toBe(0)
    await room.saved()
  }
  const text = server.committed('a').getText('t').toJSON()
  const said = text.match(/[^;]*;/g) ?? []
  const events = server
    .room('a')
    .log.flatMap((entry) => ('message' in entry ? [String(decodeValue(entry.message.payload))] : []))
  expect(new Set(said).size, text).toBe(said.length)
  expect(new Set(events).size, events.join(' ')).toBe(events.length)
  const there = new Set([...said, ...events])
  for (const each of confirmed) expect(there, `${each} was confirmed`).toContain(each)
  expect(last.room.doc.getText('t').toJSON()).toBe(text)
  for (const { client } of tabs) client.close()
  for (const socket of server.sockets) {
    if (socket.sent('join').some(({ after }) => after !== null)) seen.resumed++
    // Couriers show no presence.
    if (socket.sent('join').length > 0 && socket.sent('presence').length === 0) seen.adopted++
  }
  seen.recognised += server.recognised
}

/** The kept document holds every event up to its position. */
const checkKept = async (
  factory: IDBFactory,
  name: string,
  log: readonly ({ readonly update: Uint8Array } | object)[],
): Promise<void> => {
  const database = await Database.open(factory, name, 1_000, () => undefined)
  try {
    const [records, pieces] = await database.run('readonly', ['rooms', 'updates'], async (store) => {
      const asked = [result<unknown[]>(store('rooms').getAll()), result<unknown[]>(store('updates').getAll())]
      return [await asked[0], await asked[1]] as const
    })
    const record = readRoom(records?.[0])
    if (record === null || record.watermark === null) return
    const kept = new Y.Doc()
    for (const piece of pieces ?? []) Y.applyUpdate(kept, piece as Uint8Array)
    const known = Y.decodeStateVector(Y.encodeStateVector(kept))
    for (const entry of log.slice(0, record.watermark)) {
      if (!('update' in entry)) continue
      for (const [client, end] of Y.parseUpdateMeta(entry.update).to) {
        expect(known.get(client) ?? 0, `position ${record.watermark}`).toBeGreaterThanOrEqual(end)
      }
    }
    seen.compared++
  } finally {
    database.close()
  }
}

const who = fc.nat(2)
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constantFrom('type' as const, 'type', 'append', 'confirm'), who }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('kill' as const, 'kill', 'close', 'cut', 'disconnect', 'connect'),
      who,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('open' as const, 'open', 'write', 'crash', 'wait', 'forget', 'commit', 'commit'),
    }),
  },
)

test('property: whatever happens to tabs, nothing confirmed is lost and nothing is doubled (I1, P21, P27)', async () => {
  await fc.assert(fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 25, size: 'max' }), run), {
    numRuns: 60,
  })
})

test('the property exercised dying tabs, torn transactions, adoption and resuming', () => {
  for (const [name, times] of Object.entries(seen)) expect(times, name).toBeGreaterThan(0)
})
