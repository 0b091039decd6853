/* The fake WebSocket between a client and the fake server. */
import { decodeClientFrame, encodeServerFrame, type ClientFrame, type ServerFrame } from '@weft/protocol'
import type { WebSocketLike } from '../websocket.js'
import type { FakeServer } from './fake-server.js'

/** A client's end and the server's end in one. */
export class FakeSocket implements WebSocketLike {
  binaryType = 'blob'
  bufferedAmount = 0
  onopen: ((event: never) => void) | null = null
  onmessage: ((event: never) => void) | null = null
  onclose: ((event: never) => void) | null = null
  onerror: ((event: never) => void) | null = null
  readonly server: FakeServer
  readonly url: string
  /** Every frame that the client sent. */
  readonly received: ClientFrame[] = []
  open = false
  gone = false
  closedByClient: { readonly code: number | undefined } | null = null
  /** What HELLO said. */
  clientId: Uint8Array = new Uint8Array(16)
  /** The change that has to come next after a retryable refusal (P23), by room number. */
  readonly expected = new Map<number, number>()
  /** Codes of the JOINs that the server refused. */
  readonly refusals: string[] = []

  constructor(server: FakeServer, url: string) {
    this.server = server
    this.url = url
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    if (this.gone || !this.open) return
    const frame = decodeClientFrame(data.slice())
    if (frame.type === 'unknown') return
    this.received.push(frame)
    queueMicrotask(() => {
      if (!this.gone) this.server.take(this, frame)
    })
  }

  close(code?: number): void {
    this.closedByClient ??= { code }
    this.end()
  }

  /** The server's side: lets the client in. */
  accept(): void {
    this.open = true
    this.onopen?.({} as never)
  }

  /** The server's side: sends a frame. */
  deliver(frame: ServerFrame): void {
    const bytes = encodeServerFrame(frame)
    queueMicrotask(() => {
      if (!this.gone) this.onmessage?.({ data: bytes.slice().buffer } as never)
    })
  }

  /** The server's side, or the network's: ends the connection. */
  drop(code = 1006, reason = ''): void {
    if (this.gone) return
    this.end()
    this.onclose?.({ code, reason } as never)
  }

  /** Frames of one type that the client sent. */
  sent<T extends ClientFrame['type']>(type: T): Extract<ClientFrame, { type: T }>[] {
    return this.received.filter((frame): frame is Extract<ClientFrame, { type: T }> => frame.type === type)
  }

  private end(): void {
    this.gone = true
    this.open = false
    this.server.forget(this)
  }
}
