import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { createConnection, createServer as createTcpServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import WebSocket from 'ws'
import { MemoryBus, type Bus } from './bus/index.js'
import { DocWorkers } from './compaction/index.js'
import { ConfigError } from './config.js'
import { Journal } from './journal/index.js'
import { createServer } from './server.js'
import { ShutdownError } from './shutdown.js'
import type { Store } from './store/index.js'
import { startRedis } from './testing/redis.js'
import { makeTempDir, type TempDir } from './testing/temp-dir.js'
import { until } from './testing/until.js'

const logger = pino({ level: 'silent' })

/** A database that nobody asks for anything. */
const idleStore = (): Store & { closed: boolean } => {
  const unused = (): never => {
    throw new Error('the test does not use it')
  }
  return {
    closed: false,
    connection: { kind: 'embedded', socketPath: '/nonexistent' },
    commit: unused,
    openRoom: unused,
    readEvents: unused,
    readMessages: unused,
    deleteRoom: unused,
    heads: unused,
    sweep: unused,
    removeNode: unused,
    removeDeadNodes: unused,
    revoke: unused,
    revocations: () => Promise.resolve({ revocations: [], next: null, more: false }),
    removeRevocations: () => Promise.resolve(),
    clusterId: unused,
    quarantine: unused,
    ping: () => Promise.resolve(),
    close() {
      this.closed = true
      return Promise.resolve()
    },
  }
}

test('a port that is taken leaves nothing running', async () => {
  const other = createTcpServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  const { port } = other.address() as AddressInfo
  const workersClosed = vi.spyOn(DocWorkers.prototype, 'close')
  const journalClosed = vi.spyOn(Journal.prototype, 'close')
  const store = idleStore()
  await expect(createServer({ port, store, logger, playground: false, docWorkers: 2 })).rejects.toThrow(
    `PORT ${port}`,
  )
  expect(store.closed).toBe(true)
  expect(workersClosed).toHaveBeenCalledOnce()
  expect(journalClosed).toHaveBeenCalledOnce()
  vi.restoreAllMocks()
  other.close()
})

/** The bus of a program that embeds the server. */
const givenBus = (): Bus & { closed: boolean } => {
  const bus = new MemoryBus().connect('a')
  return Object.assign(bus, {
    closed: false,
    close() {
      this.closed = true
      return Promise.resolve()
    },
  })
}

test.each([
  ['a wrong setting', { port: 70_000 }],
  ['a missing certificate', { tlsCertFile: 'missing.pem', tlsKeyFile: 'missing.pem' }],
])('%s closes the given store and bus', async (_, wrong) => {
  const [store, bus] = [idleStore(), givenBus()]
  await expect(createServer({ store, bus, logger, ...wrong })).rejects.toThrow(ConfigError)
  expect([store.closed, bus.closed]).toEqual([true, true])
})

test('a start that fails after the bus was opened leaves no connection to Redis', async () => {
  const redis = await startRedis()
  const store = Object.defineProperty(
    { ...idleStore(), clusterId: () => Promise.resolve('x') },
    'connection',
    {
      get: () => {
        throw new Error('broken on the way')
      },
    },
  )
  const settings = { databaseUrl: 'postgres://unused/db', redisUrl: redis.url, port: 0 }
  await expect(createServer({ ...settings, store, logger })).rejects.toThrow('broken on the way')
  expect(store.closed).toBe(true)
  const control = new Redis(redis.url)
  await until(async () => {
    const clients = await control.client('LIST')
    return String(clients).trim().split('\n').length === 1
  }, 'nobody else is connected')
  control.disconnect()
  await redis.dispose()
})

test('a step of the shutdown that fails keeps no other from running, and is told', async () => {
  const [store, bus] = [idleStore(), givenBus()]
  const lines: string[] = []
  const loud = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) })
  const server = await createServer({ port: 0, store, bus, logger: loud, docWorkers: 1 })
  const said = vi.spyOn(bus, 'announce')
  const closeForReal = DocWorkers.prototype.close
  const workers: DocWorkers[] = []
  vi.spyOn(Journal.prototype, 'close').mockImplementation(() => Promise.reject(new Error('no journal')))
  vi.spyOn(DocWorkers.prototype, 'close').mockImplementation(function (this: DocWorkers) {
    workers.push(this)
    throw new Error('broken at the end')
  })
  const closing = server.close()
  await expect(closing).rejects.toBeInstanceOf(ShutdownError)
  await expect(closing).rejects.toMatchObject({
    message: 'the shutdown could not do all of it: flushing the journal, closing the doc workers',
    steps: ['flushing the journal', 'closing the doc workers'],
  })
  expect(said).toHaveBeenLastCalledWith({ kind: 'bye' })
  expect([store.closed, bus.closed]).toEqual([true, true])
  expect(lines).toHaveLength(2)
  expect(lines[0]).toContain('a step of the shutdown failed: flushing the journal; the others go on')
  expect(lines[0]).toContain('no journal')
  const connected = createConnection(server.port, '127.0.0.1')
  await expect(once(connected, 'connect')).rejects.toThrow('ECONNREFUSED')
  vi.restoreAllMocks()
  await Promise.all(workers.map((each) => closeForReal.call(each)))
})

describe('TLS', () => {
  let dir: TempDir
  let cert: string
  let key: string
  let otherKey: string

  beforeAll(async () => {
    dir = await makeTempDir()
    cert = join(dir.path, 'cert.pem')
    key = join(dir.path, 'key.pem')
    otherKey = join(dir.path, 'other-key.pem')
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    const subject = ['-subj', '/CN=localhost', '-days', '2']
    for (const [keyout, out] of [
      [key, cert],
      [otherKey, join(dir.path, 'other.pem')],
    ] as const) {
      execFileSync('openssl', ['req', '-x509', ...ec, ...subject, '-keyout', keyout, '-out', out], {
        stdio: 'ignore',
      })
    }
  })
  afterAll(() => dir.remove())

  test('pages and sockets are served with the certificate', async () => {
    const server = await createServer({
      port: 0,
      store: idleStore(),
      logger,
      docWorkers: 1,
      tlsCertFile: cert,
      tlsKeyFile: key,
    })
    expect(server.url).toBe(`https://127.0.0.1:${server.port}`)
    const status = await new Promise((resolve, reject) => {
      request(`${server.url}/healthz`, { rejectUnauthorized: false }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end()
    })
    expect(status).toBe(200)
    const ws = new WebSocket(`wss://127.0.0.1:${server.port}/v1/connect`, { rejectUnauthorized: false })
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject))
    ws.terminate()
    await server.close()
  })

  test('files that cannot be used stop the start with a sentence', async () => {
    const damaged = join(dir.path, 'damaged.pem')
    await writeFile(damaged, '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n')
    const missing = join(dir.path, 'missing.pem')
    for (const [tlsCertFile, tlsKeyFile, sentence] of [
      [missing, key, /^TLS_CERT_FILE cannot be read: .*missing.pem/],
      [cert, missing, /^TLS_KEY_FILE cannot be read: .*missing.pem/],
      [damaged, key, /^TLS_CERT_FILE is .*, which is not a PEM certificate\.$/],
      [cert, damaged, /^TLS_KEY_FILE is .*, which is not a PEM private key/],
      [cert, otherKey, /^TLS_KEY_FILE is not the private key of the certificate/],
    ] as const) {
      const started = createServer({ port: 0, store: idleStore(), logger, tlsCertFile, tlsKeyFile })
      await expect(started).rejects.toThrow(sentence)
      await expect(started).rejects.toBeInstanceOf(ConfigError)
    }
  })
})
