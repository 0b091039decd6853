import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type Client } from '@weft/client'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as Y from 'yjs'
import { createServer, type WeftServer } from '../index.js'
import { until } from '../testing/index.js'

/* The recipes of client-sdk/README.md, as they stand there: also that of testing an application. */

let folder: string
let server: WeftServer
let ada: Client
let bob: Client

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'app-'))
  server = await createServer({ port: 0, dataDir: folder, logger: pino({ level: 'silent' }) })
  ada = createClient({ url: server.url })
  bob = createClient({ url: server.url })
})

afterAll(async () => {
  ada.close()
  bob.close()
  await server.close()
  await rm(folder, { recursive: true })
})

test('comments stay with their text, and undo takes back only what this client did', async () => {
  interface Events {
    comment: { at: Uint8Array; text: string }
  }
  const [mine, theirs] = [ada, bob].map((client) => client.room<object, Events>('recipes'))
  await Promise.all([mine!.synced(), theirs!.synced()])
  const body = mine!.doc.getText('body')
  const undo = new Y.UndoManager(body, { trackedOrigins: new Set([null]) })
  body.insert(0, 'some text')
  await mine!.saved()
  await until(() => theirs!.doc.getText('body').length === 9, 'the text is there')
  const shown: [string, number | undefined][] = []
  theirs!.events.on('comment', ({ payload }) => {
    const position = Y.decodeRelativePosition(payload.at)
    const at = Y.createAbsolutePositionFromRelativePosition(position, theirs!.doc)
    shown.push([payload.text, at?.index])
  })
  theirs!.doc.getText('body').insert(0, 'here is ')
  const at = Y.encodeRelativePosition(
    Y.createRelativePositionFromTypeIndex(body, body.toJSON().indexOf('text')),
  )
  await mine!.events.append('comment', { at, text: 'Nice.' })
  await until(() => shown.length === 1, 'the comment is there')
  expect(shown).toEqual([['Nice.', 'here is some '.length]])
  await until(() => body.toJSON() === 'here is some text', 'their text is here')
  undo.undo()
  expect(body.toJSON()).toBe('here is ')
  undo.destroy()
})

test('cursors: a subscription hears what it selects, and nothing else', async () => {
  interface Presence {
    cursor: { x: number }
    name: string
  }
  const [mine, theirs] = [ada, bob].map((client) => client.room<Presence>('cursors'))
  await Promise.all([mine!.synced(), theirs!.synced()])
  const drawn: (number | undefined)[][] = []
  mine!.presence.subscribe(
    (others) => others.map(({ presence }) => presence.cursor?.x),
    (xs) => drawn.push([...xs]),
    (a, b) => JSON.stringify(a) === JSON.stringify(b),
  )
  theirs!.presence.set({ cursor: { x: 1 } })
  await until(() => drawn.at(-1)?.[0] === 1, 'the cursor is drawn')
  const before = drawn.length
  theirs!.presence.set({ name: 'Bob' })
  await until(() => mine!.presence.others[0]?.presence.name === 'Bob', 'the name is here')
  expect(drawn).toHaveLength(before)
})
