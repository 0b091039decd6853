/*
 * A process that opens sockets and says nothing on them: `node idle-sockets.js port count`. Apart from those who measure, whose
 * event loop it would keep busy. Tells its parent when all are open, and when all are gone.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'

export interface IdleReport {
  readonly is: 'open' | 'gone'
  /** Of those that are gone: how many were told why, with 4508. */
  readonly told: number
}

/** Sockets that are opened at a time. */
const batch = 25
const timeoutClose = Buffer.from([0x11, 0x9c])

const [port, count] = process.argv.slice(2).map(Number)
let gone = 0
let told = 0

const report = (is: IdleReport['is']): void => void process.send?.({ is, told } satisfies IdleReport)

/** Resolves when the handshake is done. */
const open = async (): Promise<void> => {
  const socket = connect(port ?? 0, '127.0.0.1')
  const answers: Buffer[] = []
  socket.on('data', (data: Buffer) => answers.push(data))
  socket.on('error', () => undefined)
  socket.once('close', () => {
    if (Buffer.concat(answers).includes(timeoutClose)) told++
    if (++gone === count) report('gone')
  })
  await once(socket, 'connect')
  socket.write(
    'GET /v1/connect HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  )
  await once(socket, 'data')
}

for (let opened = 0; opened < (count ?? 0); opened += batch)
  await Promise.all(Array.from({ length: batch }, () => open()))
report('open')
