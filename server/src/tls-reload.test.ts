import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeCertificates, type Certificates } from './testing/certificates.js'
import { startServer, type TestServer } from './testing/start-server.js'
import { makeTempDir, type TempDir } from './testing/temp-dir.js'
import { until } from './testing/until.js'
import { WeftBot } from './testing/weft-bot.js'

let old: Certificates
let renewed: Certificates
let dir: TempDir
let server: TestServer
let tlsCertFile: string
let tlsKeyFile: string

beforeAll(async () => {
  ;[old, renewed, dir] = await Promise.all([makeCertificates(), makeCertificates(), makeTempDir()])
  tlsCertFile = join(dir.path, 'cert.pem')
  tlsKeyFile = join(dir.path, 'key.pem')
  await copyFile(old.certFile, tlsCertFile)
  await copyFile(old.keyFile, tlsKeyFile)
  server = await startServer({ tlsCertFile, tlsKeyFile })
})
afterAll(async () => {
  await server.dispose()
  await Promise.all([old.remove(), renewed.remove(), dir.remove()])
})

const open = (ca: string): Promise<WeftBot> => WeftBot.open(`wss://127.0.0.1:${server.port}`, { ca })
/** Whether new connections get a certificate of that authority. */
const isTrusted = (ca: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port: server.port, host: '127.0.0.1', ca })
    socket.once('error', () => resolve(false))
    socket.once('secureConnect', () => {
      socket.destroy()
      resolve(true)
    })
  })

test('a certificate that is replaced is used without a restart; a bad one is not; open connections stay', async () => {
  const before = await (await open(old.ca)).join('room')
  // Its key is not there yet: told as an error, and what was there before goes on.
  await copyFile(renewed.certFile, tlsCertFile)
  await until(() => server.faults.length > 0, 'it is told')
  expect(server.faults[0]).toMatch(/TLS_KEY_FILE is not the private key/)
  expect(await isTrusted(old.ca)).toBe(true)

  await copyFile(renewed.keyFile, tlsKeyFile)
  await until(() => isTrusted(renewed.ca), 'the new certificate')
  expect(await isTrusted(old.ca)).toBe(false)
  expect(server.faults).toHaveLength(1)

  // Those before and after are in one room, and hear each other: changes, and broadcasts without their sender.
  const after = await (await open(renewed.ca)).join('room')
  before.type('before ')
  await until(() => after.text === 'before ', 'from the old connection to the new one')
  after.type('after ')
  await until(() => before.text.includes('after '), 'from the new connection to the old one')
  await Promise.all([before.saved(), after.saved()])
  for (const [from, to] of [
    [before, after],
    [after, before],
  ] as const) {
    from.bot.send({ type: 'broadcast', room: from.number, name: 'hi', payload: Uint8Array.of(1) })
    await to.bot.next('broadcasted')
    await from.bot.flush()
    expect(from.bot.frames.filter(({ type }) => type === 'broadcasted')).toHaveLength(from === before ? 0 : 1)
  }
  await before.bot.close()
  after.type('alone')
  await after.saved()
  after.bot.terminate()
}, 40_000)
