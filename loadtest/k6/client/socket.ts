import { WebSocket } from 'k6/websockets'

/** What a socket tells its owner. */
export interface SocketHandlers {
  open(): void
  message(bytes: Uint8Array): void
  /** It ended, or never came about. Not called after `close()`. @param code of the close frame; 0 without one */
  closed(code: number, reason: string): void
}

/** What k6 hands to the handlers of `message`, `close` and `error`. */
interface SocketEvent {
  readonly data?: unknown
  readonly code?: number
  readonly reason?: string
  readonly error?: string
}

/** A binary WebSocket of k6. */
export class Socket {
  private readonly socket: WebSocket
  private isOpen = false
  private ended = false

  constructor(url: string, handlers: SocketHandlers) {
    this.socket = new WebSocket(url)
    // The types declare enums that k6 does not have.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment
    this.socket.binaryType = 'arraybuffer' as typeof this.socket.binaryType
    let failure = ''
    const listen = (name: string, listener: (event: SocketEvent) => void): void =>
      // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment
      this.socket.addEventListener(name as Parameters<WebSocket['addEventListener']>[0], listener)
    const end = (code: number, reason: string): void => {
      if (this.ended) return
      this.ended = true
      handlers.closed(code, reason)
    }
    listen('open', () => {
      this.isOpen = true
      // `close()` came while the server was being reached.
      if (this.ended) this.socket.close()
      else handlers.open()
    })
    listen('message', ({ data }) => {
      if (!this.ended && data instanceof ArrayBuffer) handlers.message(new Uint8Array(data))
    })
    listen('error', ({ error = '' }) => {
      failure = error
    })
    listen('close', ({ code = 0, reason = '' }) => end(code, reason === '' ? failure : reason))
  }

  send(bytes: Uint8Array): void {
    if (this.isOpen && !this.ended) this.socket.send(bytes)
  }

  close(): void {
    if (this.ended) return
    this.ended = true
    if (this.isOpen) this.socket.close()
  }
}
