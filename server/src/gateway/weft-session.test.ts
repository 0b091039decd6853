import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { encodeClientFrame, PROTOCOL_VERSION } from '@weft/protocol'
import { mayAll, type Identity } from '../auth/index.js'
import { readConfig } from '../config.js'
import { Admission, rateLimits } from '../limits/index.js'
import { HistoryReads, Rooms } from '../room/index.js'
import { FairShares, LoopTurns } from '../tenants/index.js'
import type { RoomChannel } from './channel.js'
import type { SessionContext } from './session.js'
import { Socket } from './socket.js'
import type { FullWebSocket } from './uws.js'
import { WeftSession } from './weft-session.js'

/* A session on a socket that nobody reads, with tokens that verify when the test says so. */

const nothing = (): void => undefined
const identity: Identity = {
  user: 'ada',
  name: null,
  tenant: '',
  issued: null,
  expires: Date.now() + 3_600_000,
  granted: () => mayAll,
}

let verified: ((identity: Identity) => void)[]
let closes: number[]
let session: WeftSession

beforeEach(() => {
  vi.useFakeTimers()
  verified = []
  closes = []
  const ws: Pick<FullWebSocket<unknown>, 'send' | 'getBufferedAmount' | 'end'> = {
    send: () => 1,
    getBufferedAmount: () => 0,
    end: (code) => void closes.push(code ?? 0),
  }
  const loop = new LoopTurns(new FairShares(100).limit(1e9))
  const socket = new Socket(
    ws as FullWebSocket<unknown>,
    { paceBytes: 1e6, queuedBytes: 1e6, transfers: loop.transfers, publishElsewhere: null },
    true,
    {
      fellBehind: nothing,
      caughtUp: nothing,
      tooSlow: nothing,
    },
  )
  const context: SessionContext = {
    node: 'n',
    limits: {
      frameBytes: 32 * 1024 * 1024,
      updateBytes: 16 * 1024 * 1024,
      eventBytes: 65_536,
      presenceBytes: 16_384,
      roomsPerConnection: 10,
      helloMs: 10_000,
      heartbeatMs: 10_000,
      slowMs: 60_000,
      reviewMs: 0,
      presenceEntries: 10,
      rate: rateLimits(0, 0, 0),
    },
    auth: {
      open: false,
      verify: () => new Promise((resolve) => verified.push(resolve)),
      permit: () => mayAll,
    },
    admission: new Admission(readConfig({}), null, nothing),
    loop,
    rooms: Object.create(Rooms.prototype) as Rooms<RoomChannel>, // no room is joined
    history: Object.create(HistoryReads.prototype) as HistoryReads, // nor asked for its past
    observer: { error: nothing, limited: nothing, fault: nothing, behind: nothing, info: nothing },
  }
  session = new WeftSession('s', socket, context, null)
})
afterEach(() => vi.useRealTimers())

const verify = async (): Promise<void> => {
  verified.shift()?.(identity)
  await vi.advanceTimersByTimeAsync(0)
}

const hello = encodeClientFrame({
  type: 'hello',
  version: PROTOCOL_VERSION,
  token: 'token',
  clientId: new Uint8Array(16),
  agent: 'test',
})

test('a token that verifies after the connection closed arms no timer', async () => {
  session.message(hello)
  await verify()
  expect(vi.getTimerCount()).toBe(1)
  session.message(encodeClientFrame({ type: 'auth', token: 'another' }))
  session.closed()
  await verify()
  expect(vi.getTimerCount()).toBe(0)
})

test('before WELCOME little may wait, however small the frames are', async () => {
  const ping = encodeClientFrame({ type: 'ping', id: 1 })
  session.message(hello)
  for (let i = 0; i < 7_000; i++) session.message(ping)
  expect(closes).toEqual([])
  for (let i = 0; i < 1_500; i++) session.message(ping)
  expect(closes).toEqual([4503])
  await verify()
  expect(vi.getTimerCount()).toBe(0)
})
