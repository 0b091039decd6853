import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { watchTokens, type Watch } from './watch.js'

export interface StockTypistOptions {
  /** Default: that of `ws`. */
  readonly WebSocket?: new (url: string) => WebSocket
  readonly watch?: Watch
}

/** Somebody who types with the stock y-websocket provider. */
export class StockTypist {
  readonly doc = new Y.Doc()
  readonly room: string
  /** What was typed here. */
  readonly typed: string[] = []
  readonly provider: WebsocketProvider
  private readonly name: string
  private readonly random: () => number
  private readonly watch: Watch | undefined
  private timer: NodeJS.Timeout | null = null

  constructor(
    name: string,
    url: string,
    room: string,
    random: () => number,
    options: StockTypistOptions = {},
  ) {
    this.name = name
    this.room = room
    this.random = random
    this.watch = options.watch
    if (this.watch) watchTokens(this.watch, name, this.doc)
    this.provider = new WebsocketProvider(`${url}/yjs`, encodeURIComponent(room), this.doc, {
      WebSocketPolyfill: (options.WebSocket ?? WebSocket) as never,
      disableBc: true,
      maxBackoffTime: 500,
    })
  }

  get isSynced(): boolean {
    return this.provider.synced
  }

  get content(): string[] {
    return this.doc.getArray<string>('tokens').toArray()
  }

  /** @param pace milliseconds between two edits */
  start(pace: number): void {
    this.timer ??= setInterval(() => this.type(), pace)
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }

  close(): void {
    this.stop()
    this.provider.destroy()
    // Ends its awareness too, whose timer would keep the process.
    this.doc.destroy()
  }

  private type(): void {
    const tokens = this.doc.getArray<string>('tokens')
    const token = `${this.name}.${this.typed.length}`
    this.typed.push(token)
    this.watch?.typed(this.name, token)
    tokens.insert(Math.floor(this.random() * (tokens.length + 1)), [token])
  }
}
