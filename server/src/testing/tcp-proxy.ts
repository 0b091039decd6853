import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

interface Pair {
  readonly client: Socket
  readonly server: Socket
  /** Delays what passes, in order. */
  queue: Promise<void>
}

/** A TCP proxy on 127.0.0.1 that does to connections what networks do. */
export class TcpProxy {
  /** Where new connections go; null refuses them. */
  target: number | null
  /** Connections that were cut so far. */
  cuts = 0
  private readonly server: Server
  private readonly pairs = new Set<Pair>()
  private deaf = false
  private lagMs = 0
  private bytesLeft = Infinity

  private constructor(server: Server, target: number | null) {
    this.server = server
    this.target = target
    server.on('connection', (client) => this.accept(client))
  }

  static async start(target: number | null): Promise<TcpProxy> {
    const server = createServer()
    const proxy = new TcpProxy(server, target)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get port(): number {
    const address = this.server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen')
    return address.port
  }

  /** What the server sends does not arrive any more, while it still gets what is sent to it. Until the next `cut`. */
  deafen(): void {
    this.deaf = true
  }

  /** The connection ends when so many more bytes have passed, counted in both directions: in the middle of a frame. */
  cutAfter(bytes: number): void {
    this.bytesLeft = bytes
  }

  /** What is sent from now on arrives so many milliseconds later, in order. */
  lag(ms: number): void {
    this.lagMs = ms
  }

  /** Resets every connection, in the middle of whatever is on its way. */
  cut(): void {
    this.deaf = false
    this.bytesLeft = Infinity
    for (const { client, server } of this.pairs) {
      this.cuts++
      client.resetAndDestroy()
      server.resetAndDestroy()
    }
    this.pairs.clear()
  }

  async close(): Promise<void> {
    this.server.close()
    this.cut()
    await once(this.server, 'close')
  }

  private accept(client: Socket): void {
    client.on('error', () => undefined)
    if (this.target === null) {
      client.resetAndDestroy()
      return
    }
    const server = connect(this.target, '127.0.0.1')
    const pair = { client, server, queue: idle }
    this.pairs.add(pair)
    const end = (): void => {
      this.pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) {
      socket.setNoDelay(true)
      socket.on('error', end)
      socket.on('close', end)
    }
    client.on('data', (chunk) => this.pass(pair, server, chunk))
    server.on('data', (chunk) => {
      if (!this.deaf) this.pass(pair, client, chunk)
    })
    client.on('end', () => server.end())
    server.on('end', () => client.end())
  }
  private pass(pair: Pair, to: Socket, chunk: Buffer): void {
    const part = chunk.subarray(0, this.bytesLeft)
    this.bytesLeft -= part.length
    const ends = this.bytesLeft <= 0
    const { lagMs } = this
    const write = (): void => {
      if (!to.destroyed) to.write(part)
      if (ends) this.cut()
    }
    if (lagMs === 0 && pair.queue === idle) write()
    else {
      const queue = pair.queue.then(() => sleep(lagMs)).then(write)
      pair.queue = queue
      void queue.then(() => {
        if (pair.queue === queue) pair.queue = idle
      })
    }
  }
}

/** Nothing is on its way. */
const idle = Promise.resolve()
