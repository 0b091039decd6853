/*
 * Hocuspocus on uWebSockets.js, by the adapter of crossws: its fastest. No hooks, no extensions, updates of one event loop turn
 * merged (`flushDelay: 0`, the default).
 */
import { Hocuspocus } from '@hocuspocus/server'
import crossws from 'crossws/adapters/uws'
import { App } from 'uWebSockets.js'

/** What Hocuspocus takes for a WebSocket: the adapter's has no `send`. */
class Socket {
  constructor(peer) {
    this.peer = peer
    this.socket = peer.websocket
  }

  get readyState() {
    return this.socket.readyState
  }

  send(data) {
    if (this.readyState === 1) this.peer.send(data)
  }

  close(code, reason) {
    this.peer.close(code, reason)
  }
}

const hocuspocus = new Hocuspocus({ quiet: true })
const { websocket } = crossws({
  hooks: {
    open(peer) {
      peer.connection = hocuspocus.handleConnection(new Socket(peer), peer.request)
    },
    message(peer, message) {
      // Its bytes are uWebSockets.js' again after this call, and Hocuspocus reads them later.
      peer.connection.handleMessage(message.uint8Array().slice())
    },
    close(peer, { code, reason }) {
      peer.connection.handleClose({ code, reason })
    },
    error(_peer, error) {
      console.error(error)
    },
  },
})

const limit = 64 * 1024 * 1024
App()
  .ws('/*', { ...websocket, maxPayloadLength: limit, maxBackpressure: limit })
  .any('/*', (response) => response.end('Welcome to Hocuspocus!'))
  .listen('127.0.0.1', Number(process.env.PORT), (listening) => {
    if (!listening) throw new Error(`the port ${process.env.PORT} is taken`)
  })
