/*
 * Clients that want a room's state and nothing else: they note when its last byte has come.
 */
import { FrameType, type JoinedFrame, decodeServerFrame, encodeClientFrame } from '@weft/protocol'
import type { Target } from '../servers/target.js'
import { Connection } from '../wire/connection.js'
import { isFrame, syncPart, weftPath } from '../wire/weft-wire.js'
import { YMessage, YSync, emptyVector, encodeSync, syncDataStart } from '../wire/y-wire.js'
import { type Deferred, deferred } from './member.js'
import { hello } from './weft-member.js'
import { type YjsDialect, yRoute } from './yjs-route.js'

/** One client that has the room's state. */
export interface Joined {
  /** From the start of the connection to the last byte of the state, in ms. */
  readonly ms: number
  readonly bytes: number
  /** What the server said of the room (Weft protocol). */
  readonly frame: JoinedFrame | null
  /** The Yjs updates that came; empty unless they were to be kept. */
  readonly updates: readonly Uint8Array[]
  /** Sends one message. */
  send(message: Uint8Array): void
  close(): void
}

/** What the client brings from an earlier connection. */
export interface Known {
  /** Weft protocol: the room's epoch and the seq to go on after. */
  readonly epoch: number
  readonly after: number
  /** y-websocket: the client's state vector... */
  readonly vector: Uint8Array
  /** ... and the update that answers the server's step 1. */
  readonly answer: Uint8Array
}

export interface JoinerOptions {
  readonly target: Target
  readonly room: string
  /** A client that has been in the room before; null for a new one. */
  readonly known: Known | null
  /** Keep the state's updates. */
  readonly keep?: boolean
}

/** Joins a room. Resolves when its state is here; rejects when the server refuses. */
export const joinRoom = (options: JoinerOptions): Promise<Joined> =>
  options.target.dialect === 'weft' ? joinByWeft(options) : joinByYjs(options, options.target.dialect)

/** What many joins came to. */
export interface Joins {
  readonly joined: readonly Joined[]
  /** Clients that were refused or cut off. */
  readonly failed: number
  readonly reasons: readonly string[]
}

/** Waits for all of them, whatever becomes of each. */
export const settleJoins = async (joins: readonly Promise<Joined>[]): Promise<Joins> => {
  const joined: Joined[] = []
  const reasons = new Set<string>()
  for (const result of await Promise.allSettled(joins)) {
    if (result.status === 'fulfilled') joined.push(result.value)
    else reasons.add(result.reason instanceof Error ? result.reason.message : String(result.reason))
  }
  return { joined, failed: joins.length - joined.length, reasons: [...reasons].slice(0, 5) }
}

/** Large states are counted, not kept: their first bytes tell what they are. */
const prefixBytes = 4096
const wholeBytes = 64 * 1024 * 1024

const joinByWeft = async ({ target, room, known, keep = false }: JoinerOptions): Promise<Joined> => {
  const start = performance.now()
  const updates: Uint8Array[] = []
  let parts: Buffer[] = []
  let joined: JoinedFrame | null = null
  const done: Deferred = deferred()
  const take = (bytes: Buffer): void => {
    const frame = decodeServerFrame(bytes)
    if (frame.type !== 'sync') return
    parts.push(Buffer.from(frame.data))
    if (frame.part === 'more') return
    const update = Buffer.concat(parts)
    if (update.length > 0) updates.push(update)
    parts = []
  }
  const connection = await Connection.open({
    port: target.port,
    path: weftPath,
    keepBytes: keep ? wholeBytes : prefixBytes,
    handlers: {
      message(bytes, from, end) {
        if (isFrame(bytes, from, FrameType.sync, 4)) {
          if (keep) take(bytes.subarray(from, end))
          if (syncPart(bytes, from) === 2) done.resolve()
          return
        }
        const type = bytes[from + 1]
        if (type === FrameType.welcome) {
          connection.send(
            encodeClientFrame({
              type: 'join',
              request: 1,
              room,
              epoch: known?.epoch ?? null,
              after: known?.after ?? null,
              stateVector: null,
            }),
          )
        } else if (type === FrameType.joined || type === FrameType.error) {
          const frame = decodeServerFrame(bytes.subarray(from, end))
          if (frame.type === 'joined') joined = { ...frame, stateVector: Uint8Array.from(frame.stateVector) }
          if (frame.type === 'error') done.reject(new Error(`error ${frame.code}: ${frame.message}`))
        }
      },
      closed: (code, reason) => done.reject(new Error(`closed with ${code} ${reason}`)),
    },
  })
  connection.send(hello())
  await done.promise
  const ms = connection.readAt - start
  return {
    ms,
    bytes: connection.bytesRead,
    frame: joined,
    updates,
    send: (message) => connection.send(message),
    close: () => connection.close(),
  }
}

const joinByYjs = async (
  { target, room, known, keep = false }: JoinerOptions,
  dialect: YjsDialect,
): Promise<Joined> => {
  const start = performance.now()
  const updates: Uint8Array[] = []
  const done: Deferred = deferred()
  const vector = known?.vector ?? emptyVector
  const route = yRoute(dialect, room)
  const { prefix } = route
  const connection = await Connection.open({
    port: target.port,
    path: route.path,
    keepBytes: keep ? wholeBytes : prefixBytes,
    handlers: {
      message(bytes, from, end) {
        const at = from + prefix.length
        if (bytes[at] === YMessage.auth) {
          const refused = route.authenticated(bytes, at)
          if (refused === null) connection.send(encodeSync(YSync.step1, vector, prefix))
          else done.reject(refused)
          return
        }
        if (bytes[at] !== YMessage.sync) return
        const kind = bytes[at + 1]
        if (kind === YSync.step1) {
          if (known) connection.send(encodeSync(YSync.step2, known.answer, prefix))
          return
        }
        if (keep) updates.push(Uint8Array.from(bytes.subarray(syncDataStart(bytes, at), end)))
        if (kind === YSync.step2) done.resolve()
      },
      closed: (code, reason) => done.reject(new Error(`closed with ${code} ${reason}`)),
    },
  })
  connection.send(route.first(vector))
  await done.promise
  const ms = connection.readAt - start
  return {
    ms,
    bytes: connection.bytesRead,
    frame: null,
    updates,
    send: (message) => connection.send(message),
    close: () => connection.close(),
  }
}
