/*
 * uWebSockets.js as the gateway meets it, in memory. What is published reaches a socket at the end of the turn, or before the
 * next frame that is sent to it; a frame is dropped when more than the limit waits; bytes leave when the test says so.
 */
import type { FullWebSocket, TemplatedApp } from '../uws.js'

const concat = (a: Uint8Array, b: Uint8Array): Uint8Array => Buffer.concat([a, b])

export class ScriptedSocket {
  /** Whether bytes leave at once. */
  reading = true
  /** The handlers of the gateway. */
  onDropped: () => void = () => undefined
  onDrain: () => void = () => undefined
  drops = 0
  private readonly app: ScriptedApp
  private readonly maxBackpressure: number
  private readonly deliver: (frame: Uint8Array) => void
  private buffered = 0
  private pending: Uint8Array[] = []
  private fragment: Uint8Array | null = null
  private readonly topics = new Set<string>()

  /** @param deliver gets the frames that were taken: the client reads a prefix of them */
  constructor(app: ScriptedApp, maxBackpressure: number, deliver: (frame: Uint8Array) => void) {
    this.app = app
    this.maxBackpressure = maxBackpressure
    this.deliver = deliver
  }

  /** As the gateway takes it. It calls no other methods than the ones below. */
  get ws(): FullWebSocket<unknown> {
    return this as unknown as FullWebSocket<unknown>
  }

  /** So many bytes of another room wait for a client that does not read. */
  clog(bytes: number): void {
    this.reading = false
    this.buffered += bytes
  }

  /** The client reads so many bytes. */
  drain(bytes = Infinity): void {
    if (this.buffered === 0) return
    this.buffered = Math.max(0, this.buffered - bytes)
    this.onDrain()
  }

  getBufferedAmount(): number {
    return this.buffered
  }

  send(frame: Uint8Array): number {
    if (this.isFull()) return 2
    this.flush()
    return this.take(frame)
  }

  sendFirstFragment(frame: Uint8Array): number {
    if (this.isFull()) return 2
    this.flush()
    this.fragment = frame.slice()
    return 1
  }

  sendLastFragment(frame: Uint8Array): number {
    if (this.isFull()) return 2
    const { fragment } = this
    if (fragment === null) throw new Error('a last fragment without a first one')
    this.fragment = null
    return this.take(concat(fragment, frame))
  }

  subscribe(topic: string): boolean {
    this.topics.add(topic)
    this.app.sockets.add(this)
    return true
  }

  /** What was published and has not been handed over is lost with the last topic. */
  unsubscribe(topic: string): boolean {
    const known = this.topics.delete(topic)
    if (this.topics.size === 0) this.pending = []
    return known
  }

  publish(topic: string, frame: Uint8Array): boolean {
    if (!this.topics.has(topic)) return false
    return this.app.publishFrom(this, topic, frame)
  }

  /** The connection is gone. */
  close(): void {
    this.topics.clear()
    this.pending = []
    this.app.sockets.delete(this)
  }

  /** For the app. @returns whether the socket is on the topic */
  published(topic: string, frame: Uint8Array): boolean {
    if (!this.topics.has(topic)) return false
    this.pending.push(frame)
    return true
  }

  /** For the app: the turn is over. */
  flush(): void {
    const { pending } = this
    this.pending = []
    for (const frame of pending) if (!this.isFull()) this.take(frame)
  }

  private isFull(): boolean {
    if (this.buffered <= this.maxBackpressure) return false
    this.drops++
    this.onDropped()
    return true
  }

  private take(frame: Uint8Array): number {
    if (this.fragment !== null) throw new Error('a frame between the fragments of another')
    if (!this.reading) this.buffered += frame.length
    this.deliver(frame.slice())
    return this.reading ? 1 : 0
  }
}

export class ScriptedApp {
  readonly sockets = new Set<ScriptedSocket>()
  private flushing = false

  get app(): TemplatedApp {
    return this as unknown as TemplatedApp
  }

  publish(topic: string, frame: Uint8Array): boolean {
    return this.publishFrom(null, topic, frame)
  }

  publishFrom(sender: ScriptedSocket | null, topic: string, frame: Uint8Array): boolean {
    let receivers = 0
    for (const socket of this.sockets) if (socket !== sender && socket.published(topic, frame)) receivers++
    if (receivers > 0 && !this.flushing) {
      this.flushing = true
      setImmediate(() => {
        this.flushing = false
        for (const socket of this.sockets) socket.flush()
      })
    }
    return receivers > 0
  }
}
