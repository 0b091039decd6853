/* `weft room ...` on both stores, as an operator runs it: the compiled program, and its own process. */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { quadratic } from '../crdt/testing/attacks.js'
import { connectWorker, openStore } from '../store/index.js'
import { startPostgres } from '../testing/postgres.js'
import { startServer } from '../testing/start-server.js'
import { makeDataDir } from '../testing/data-dir.js'
import { makeTempDir, type TempDir } from '../testing/temp-dir.js'
import { WeftBot } from '../testing/weft-bot.js'
import { workerUrl } from '../worker-url.js'

const program = workerUrl('../main.js', import.meta.url).pathname

interface Outcome {
  readonly code: number
  readonly out: string
  readonly errors: string
}

interface Place {
  readonly env: Readonly<Record<string, string>>
  readonly options: { readonly databaseUrl?: string; readonly dataDir: string }
  dispose(): Promise<void>
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

const places: readonly [string, (dir: TempDir) => Promise<Place>][] = [
  [
    'embedded',
    (dir) =>
      Promise.resolve({
        env: { DATA_DIR: dir.path },
        options: { dataDir: dir.path },
        dispose: () => Promise.resolve(),
      }),
  ],
  [
    'PostgreSQL',
    async (dir) => {
      const database = await startPostgres()
      const databaseUrl = await database.createDatabase()
      return {
        env: { DATABASE_URL: databaseUrl },
        options: { databaseUrl, dataDir: dir.path },
        dispose: () => database.dispose(),
      }
    },
  ],
]

describe.each(places)('weft room on %s', (kind, makePlace) => {
  let dir: TempDir
  let place: Place

  const weft = (...args: string[]): Promise<Outcome> =>
    new Promise((resolve) => {
      const env = { PATH: process.env['PATH'], LOG_LEVEL: 'info', ...place.env }
      execFile(process.execPath, [program, 'room', ...args], { env }, (error, out, errors) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, errors })
      })
    })

  /** Events straight into the log, as a server that knew less may have taken them. */
  const commit = async (name: string, ...payloads: Uint8Array[]): Promise<void> => {
    const store = await openStore({ ...place.options, logger: silent })
    try {
      const { id: roomId, epoch } = await store.openRoom('', name)
      const entry = {
        roomId,
        epoch,
        kind: 'update',
        author: null,
        clientId: null,
        clientSeq: null,
        name: null,
      } as const
      await store.commit(payloads.map((payload) => ({ ...entry, payload })))
    } finally {
      await store.close()
    }
  }

  const textOf = async (name: string): Promise<string> => {
    const out = join(dir.path, 'out.bin')
    expect(await weft('export', name, '--out', out)).toMatchObject({ code: 0, errors: '' })
    const doc = new Y.Doc()
    Y.applyUpdate(doc, new Uint8Array(await readFile(out)))
    return doc.getText('text').toJSON()
  }

  const typed = (content: string): Uint8Array => {
    const doc = new Y.Doc()
    doc.getText('text').insert(0, content)
    return Y.encodeStateAsUpdate(doc)
  }

  beforeAll(async () => {
    dir = await (kind === 'embedded' ? makeDataDir() : makeTempDir())
    place = await makePlace(dir)
  })
  afterAll(async () => {
    await place.dispose()
    await dir.remove()
  })

  test('import makes a room, and adds to one that is there; export gives back all of it; inspect counts it', async () => {
    const file = join(dir.path, 'in.bin')
    await writeFile(file, typed('hello'))
    expect(await weft('import', 'docs/1', file)).toMatchObject({ code: 0, errors: '' })
    await writeFile(file, typed('world'))
    expect((await weft('import', 'docs/1', file)).out).toContain('imported as event 2')
    expect(await textOf('docs/1')).toMatch(/^(helloworld|worldhello)$/)

    const events = join(dir.path, 'events.jsonl')
    await weft('export', 'docs/1', '--out', join(dir.path, 'all.bin'), '--events', events)
    const lines = (await readFile(events, 'utf8')).trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { seq: number }).seq)).toEqual([1, 2])

    const report = JSON.parse((await weft('inspect', 'docs/1', '--json')).out) as object
    expect(report).toMatchObject({
      name: 'docs/1',
      tenant: '',
      head: 2,
      events: { updates: 2, messages: 0 },
      snapshots: [],
      quarantined: [],
      document: { clients: 2, pendingSeqs: [] },
      problem: null,
    })
    expect((await weft('inspect', 'docs/1')).out).toMatch(
      /^head +2\nevents +2 updates, 0 messages, \d+ bytes$/m,
    )
  })

  test('what waits for others is told', async () => {
    const doc = new Y.Doc()
    doc.getText('text').insert(0, 'first')
    const before = Y.encodeStateVector(doc)
    doc.getText('text').insert(5, 'second')
    const file = join(dir.path, 'in.bin')
    await writeFile(file, Y.encodeStateAsUpdate(doc, before))
    expect((await weft('import', 'waits', file)).out).toContain('wait for changes')
    expect((await weft('inspect', 'waits')).out).toMatch(/^pending +1 updates wait for others: 1$/m)
  })

  test('errors are a sentence: no room, no update, no file', async () => {
    const file = join(dir.path, 'bad.bin')
    await writeFile(file, Uint8Array.of(1, 2, 3))
    const cases: [string[], RegExp][] = [
      [['inspect', 'none'], /^weft: there is no room "none"\n$/],
      [['inspect', 'none', '--tenant', 't'], /^weft: there is no room "none" of the tenant "t"\n$/],
      [['export', 'none', '--out', file], /there is no room/],
      [['repair', 'none'], /there is no room/],
      [['import', 'new', file], /^weft: .*bad\.bin is no valid Yjs update \(v1\): [^\n]+\n$/],
      [['import', 'new', join(dir.path, 'missing')], /^weft: .*missing cannot be read: [^\n]+\n$/],
    ]
    for (const [args, sentence] of cases) {
      const { code, errors } = await weft(...args)
      expect(errors).toMatch(sentence)
      expect(code).toBe(1)
    }
    // Nothing was made on the way.
    expect((await weft('inspect', 'new')).code).toBe(1)
  })

  test('I7: repair finds the event that a document cannot take in time, sets it aside, and the rest loads', async () => {
    await commit('sick', typed('before '), quadratic(15_000), typed('after'))
    const dry = await weft('repair', 'sick', '--dry-run', '--max-ms', '2000')
    expect(dry.out).toMatch(
      /^event 2: with it the room is no document: .*2000 ms\n1 event would be set aside/,
    )
    const { out } = await weft('inspect', 'sick', '--json')
    expect(JSON.parse(out)).toMatchObject({ snapshots: [], quarantined: [] })

    const repaired = await weft('repair', 'sick', '--max-ms', '2000')
    expect(repaired).toMatchObject({ code: 0, errors: '' })
    expect(repaired.out).toContain('1 event set aside; a new snapshot of')
    const report = JSON.parse((await weft('inspect', 'sick', '--json')).out) as object
    expect(report).toMatchObject({ head: 3, snapshots: [{ seq: 3 }], quarantined: [{ seq: 2 }] })
    expect(await textOf('sick')).toMatch(/^(before after|afterbefore )$/)
    expect((await weft('repair', 'sick', '--dry-run')).out).toBe(
      '0 events would be set aside. Nothing was changed.\n',
    )
  })

  test('repair writes a new snapshot where the old one is damaged', async () => {
    await commit('damaged', typed('content'))
    await weft('repair', 'damaged')
    const store = await openStore({ ...place.options, logger: silent })
    const sql = connectWorker(store.connection)
    await sql`update snapshots set state = '\\x00ff' where room_id = (select id from rooms where name = 'damaged')`
    await sql.end()
    await store.close()
    expect((await weft('repair', 'damaged')).out).toContain('0 events set aside; a new snapshot of')
    expect(await textOf('damaged')).toBe('content')
  })

  test('a running server: PostgreSQL is shared, the embedded store says in a sentence that it is not', async () => {
    const server = await startServer(place.options)
    try {
      const room = await (await WeftBot.open(server.wsUrl)).join('live')
      room.type('typed')
      await room.saved()
      const { code, errors, out } = await weft('inspect', 'live')
      if (kind === 'embedded') {
        expect(code).toBe(1)
        expect(errors).toMatch(/^weft: DATA_DIR \S+ is in use by process \d+ on \S+: stop it[^\n]*\n$/)
      } else expect(out).toMatch(/^head +1$/m)
    } finally {
      await server.stop()
    }
  })
})
