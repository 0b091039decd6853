/*
 * The reference, in a process of its own: what uWebSockets.js does when nothing is synced, checked or stored. Every message
 * of a socket is published to the other sockets of its path. With BARE_STATE (a file with a Yjs update) it also plays a server
 * whose replies are cached: it answers the sync steps of y-websocket clients with bytes prepared beforehand.
 */
import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { App } from 'uWebSockets.js'
import * as Y from 'yjs'
import { YMessage, YSync, emptyVector, encodeSync } from '../wire/y-wire.js'

interface SocketData {
  readonly topic: string
}

const port = Number(process.env['PORT'])
const stateFile = process.env['BARE_STATE']

const cachedReplies = (file: string): { full: Uint8Array; inSync: Uint8Array; step1: Uint8Array } => {
  const state = readFileSync(file)
  const vector = Y.encodeStateVectorFromUpdate(state)
  return {
    full: encodeSync(YSync.step2, state),
    inSync: encodeSync(YSync.step2, Y.diffUpdate(state, vector)),
    step1: encodeSync(YSync.step1, vector),
  }
}
const replies = stateFile === undefined ? null : cachedReplies(stateFile)

const loopDelay = monitorEventLoopDelay({ resolution: 5 })
// Its timer costs about 1 % of a core: as much as relaying 1,000 messages a second.
if (replies !== null) loopDelay.enable()

App()
  .ws<SocketData>('/*', {
    maxBackpressure: 64 * 1024 * 1024,
    maxPayloadLength: 32 * 1024 * 1024,
    idleTimeout: 120,
    upgrade(response, request, context) {
      response.upgrade<SocketData>(
        { topic: request.getUrl() },
        request.getHeader('sec-websocket-key'),
        request.getHeader('sec-websocket-protocol'),
        request.getHeader('sec-websocket-extensions'),
        context,
      )
    },
    open(socket) {
      socket.subscribe(socket.getUserData().topic)
    },
    message(socket, message, isBinary) {
      if (replies !== null) {
        const [type, kind] = new Uint8Array(message, 0, 2)
        if (type === YMessage.sync && kind === YSync.step1) {
          const knowsNothing = message.byteLength === 3 + emptyVector.length
          socket.send(replies.step1, true)
          socket.send(knowsNothing ? replies.full : replies.inSync, true)
        }
        return
      }
      socket.publish(socket.getUserData().topic, message, isBinary)
    },
  })
  .get('/readyz', (response) => {
    response.end('ok')
  })
  .get('/metrics', (response) => {
    // Since the last scrape, as the histogram is reset here. Its resolution is part of what it records.
    const max = Math.max(0, loopDelay.max / 1e9 - 0.005)
    loopDelay.reset()
    response.end(`weft_event_loop_delay_seconds{quantile="1"} ${max}\n`)
  })
  .listen('127.0.0.1', port, (listening) => {
    if (listening === false) {
      console.error(`port ${port} is taken`)
      process.exit(1)
    }
  })

process.on('SIGTERM', () => process.exit(0))
