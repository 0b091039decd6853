import { decodeServerFrame, encodeClientFrame } from '@weft/protocol'
import { setTimeout as sleep } from 'node:timers/promises'
import * as Y from 'yjs'
import type { LargeDocument } from '../data/large-document.js'
import type { Target } from '../servers/target.js'
import { Connection } from '../wire/connection.js'
import { textName } from '../wire/keystrokes.js'
import { weftPath } from '../wire/weft-wire.js'
import { YSync, encodeSync } from '../wire/y-wire.js'
import { joinRoom } from './joiner.js'
import { hello } from './weft-member.js'
import { yRoute } from './yjs-route.js'

/** Changes that are under way at once. */
const inFlight = 64

/** Types a document into a room over the Weft protocol. Resolves when all of it is acknowledged: durable. */
export const seedRoom = (target: Target, room: string, document: LargeDocument): Promise<void> =>
  new Promise((resolve, reject) => {
    let number = 0
    let sent = 0
    let connection: Connection | null = null
    const sendUntil = (last: number): void => {
      for (; sent < Math.min(last, document.updates.length); sent++) {
        const update = document.updates[sent]!
        connection?.send(encodeClientFrame({ type: 'update', room: number, n: sent + 1, update }))
      }
    }
    const message = (bytes: Buffer, start: number, end: number): void => {
      const frame = decodeServerFrame(bytes.subarray(start, end))
      if (frame.type === 'welcome') {
        const join = { type: 'join', request: 1, room, epoch: null, after: null, stateVector: null } as const
        connection?.send(encodeClientFrame(join))
      } else if (frame.type === 'joined') {
        number = frame.room
      } else if (frame.type === 'sync' && frame.part === 'done') {
        sendUntil(inFlight)
      } else if (frame.type === 'ack') {
        sendUntil(frame.n + inFlight)
        if (frame.n === document.updates.length) {
          connection?.close()
          resolve()
        }
      } else if (frame.type === 'nack' || frame.type === 'error' || frame.type === 'left') {
        reject(new Error(`seeding: ${frame.type} ${frame.code}: ${frame.message}`))
      }
    }
    const closed = (code: number, reason: string): void =>
      reject(new Error(`seeding: closed with ${code} ${reason}`))
    Connection.open({
      port: target.port,
      path: weftPath,
      handlers: { message, closed },
      keepBytes: 1 << 26,
    }).then((opened) => {
      connection = opened
      opened.send(hello())
    }, reject)
  })

/** Where the client that seeds a server of others stands while all of it is taken. */
const seedTimeoutMs = 60_000

/**
 * Gives a y-websocket or Hocuspocus server a document, in one update. Resolves when a new client gets as many bytes back; the
 * seeding client stays in the room, so that a server without a store keeps it.
 */
export const seedPeer = async (target: Target, room: string, state: Uint8Array): Promise<void> => {
  if (target.dialect === 'weft') throw new Error('a Weft server is seeded by seedRoom')
  const { prefix } = yRoute(target.dialect, room)
  const seeder = await joinRoom({ target, room, known: null })
  seeder.send(encodeSync(YSync.update, state, prefix))
  const deadline = performance.now() + seedTimeoutMs
  for (;;) {
    const joined = await joinRoom({ target, room, known: null })
    joined.close()
    if (joined.bytes >= state.length) return
    if (performance.now() > deadline) throw new Error(`${target.name} did not take the document`)
    await sleep(100)
  }
}

/** Checks that what a joiner gets is the document. @throws when it is not */
export const checkRoom = async (target: Target, room: string, document: LargeDocument): Promise<void> => {
  const joined = await joinRoom({ target, room, known: null, keep: true })
  joined.close()
  const doc = new Y.Doc()
  for (const update of joined.updates) Y.applyUpdate(doc, update)
  if (doc.getText(textName).toJSON() !== document.text) {
    throw new Error(`${target.name} gave a joiner another document than the one that was typed`)
  }
}
