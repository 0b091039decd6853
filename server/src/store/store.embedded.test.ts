import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { makeDataDir } from '../testing/data-dir.js'
import { makeTempDir, type TempDir } from '../testing/temp-dir.js'
import { workerUrl } from '../worker-url.js'
import { nodesContract } from './nodes.contract.js'
import { revocationsContract } from './revocations.contract.js'
import { openStore } from './open.js'
import { connectWorker } from './snapshots.js'
import { storeContract, updateOf, type StoreBackend } from './store.contract.js'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

describe('the embedded store', () => {
  const backend = async (): Promise<StoreBackend> => {
    const dir = await makeDataDir()
    return {
      open: () => openStore({ dataDir: dir.path, logger: silent }),
      dispose: () => dir.remove(),
    }
  }
  storeContract(backend)
  nodesContract(backend)
  revocationsContract(backend)
})

describe('one data folder, one process', () => {
  let dir: TempDir
  const program = `
    const { openStore } = await import(process.argv[1])
    const log = (text) => process.stderr.write(text + '\\n')
    const store = await openStore({ dataDir: process.argv[2], logger: { info: log, warn: log, error: log } })
    const room = await store.openRoom('t', 'r')
    for (let n = 1; ; n++) {
      const results = await store.commit([{ roomId: room.id, epoch: room.epoch, kind: 'update', author: null,
        clientId: null, clientSeq: null, name: null, payload: new Uint8Array(100).fill(n) }])
      process.stdout.write(results[0].seq + '\\n')
    }`
  const run = (): ReturnType<typeof spawn> =>
    spawn(
      process.execPath,
      ['--input-type=module', '-e', program, workerUrl('./open.js', import.meta.url).href, dir.path],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )

  beforeAll(async () => {
    dir = await makeTempDir()
  })
  afterAll(() => dir.remove())

  test('I1, I8: a second process is refused while the first runs; after kill -9 it takes over, and all acked is there', async () => {
    const child = run()
    let acked = 0
    const enough = new Promise<void>((resolve) => {
      createInterface({ input: child.stdout! }).on('line', (line) => {
        acked = Number(line)
        if (acked === 50) resolve()
      })
    })
    await enough
    await expect(openStore({ dataDir: dir.path, logger: silent })).rejects.toMatchObject({
      name: 'StoreStartError',
      message: expect.stringMatching(`DATA_DIR .* is in use by process ${child.pid}`) as unknown,
    })
    child.kill('SIGKILL')
    await once(child, 'close')

    const store = await openStore({ dataDir: dir.path, logger: silent })
    const room = await store.openRoom('t', 'r')
    expect(room.headSeq).toBeGreaterThanOrEqual(acked)
    const events = await store.readEvents(room.id, 0, 1e9, 1e6)
    expect(events.map((event) => event.seq)).toEqual(Array.from({ length: room.headSeq }, (_, i) => i + 1))
    expect(await store.commit([updateOf(room)])).toEqual([{ status: 'committed', seq: room.headSeq + 1 }])
    // A second store in this very process is a second user of the folder as well.
    await expect(openStore({ dataDir: dir.path, logger: silent })).rejects.toMatchObject({
      name: 'StoreStartError',
    })
    await store.close()
  })

  test('the lock of a process whose pid is another’s now is taken over', async () => {
    const lock = join(dir.path, 'weft.lock')
    await writeFile(
      lock,
      JSON.stringify({ token: 'x', pid: process.ppid, host: hostname(), started: '1', boot: null }),
    )
    const store = await openStore({ dataDir: dir.path, logger: silent })
    expect(JSON.parse(await readFile(lock, 'utf8'))).toMatchObject({ pid: process.pid })
    await store.close()
    await expect(readFile(lock)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('I8: a database that cannot be read stops the start with a sentence', async () => {
    const broken = await makeTempDir()
    await mkdir(join(broken.path, 'pg'))
    await writeFile(join(broken.path, 'pg', 'PG_VERSION'), '9.6\n')
    await expect(openStore({ dataDir: broken.path, logger: silent })).rejects.toMatchObject({
      name: 'StoreStartError',
      message: expect.stringContaining('DATA_DIR') as unknown,
    })
    await broken.remove()
  })

  test('a database thread that dies is started again: transient, and nothing is lost', async () => {
    const errors: string[] = []
    const store = await openStore({
      dataDir: dir.path,
      logger: { ...silent, error: (text) => errors.push(text) },
      queryTimeoutMs: 2_000,
    })
    const room = await store.openRoom('t', 'dies')
    await store.commit([updateOf(room)])
    const sql = connectWorker(store.connection)
    // A query that outlives the timeout stands for a database that hangs.
    const hanging = sql`select count(*) from generate_series(1, 2000000000)`.catch((error: unknown) => error)
    const untilFailed = async (): Promise<unknown> => {
      for (;;) {
        try {
          await store.ping()
        } catch (error) {
          return error
        }
      }
    }
    expect(await untilFailed()).toMatchObject({ name: 'StoreError', kind: 'transient' })
    expect(await hanging).toBeInstanceOf(Error)
    await vi.waitFor(() => store.ping(), { timeout: 20_000 })
    expect(errors.join()).toContain('does not answer')
    expect(await store.commit([updateOf(room)])).toEqual([{ status: 'committed', seq: 2 }])
    await sql.end({ timeout: 0 })
    await store.close()
  })
})
