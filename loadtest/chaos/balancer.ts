import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

interface Pair {
  readonly client: Socket
  readonly server: Socket
  readonly port: number
  /** Nothing goes through any more, and neither side is told. */
  dead: boolean
}

/** A TCP load balancer on 127.0.0.1: each connection goes to the next backend that takes it. */
export class Balancer {
  /** Connections that were cut or left hanging. */
  cuts = 0
  private readonly server: Server
  private readonly backends: readonly number[]
  private readonly pairs = new Set<Pair>()
  /** The newest connection of each client's address. */
  private readonly routes = new Map<string, Pair>()
  private turn = 0

  private constructor(server: Server, backends: readonly number[]) {
    this.server = server
    this.backends = backends
    server.on('connection', (client) => {
      client.on('error', () => client.destroy())
      this.dial(client, this.backends.length)
    })
  }

  static async start(backends: readonly number[]): Promise<Balancer> {
    const server = createServer()
    const balancer = new Balancer(server, backends)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return balancer
  }

  get url(): string {
    const address = this.server.address()
    if (address === null || typeof address === 'string') throw new Error('the balancer does not listen')
    return `ws://127.0.0.1:${address.port}`
  }

  /** The port of the backend that a client is connected to, by the client's address; null when it is not. */
  backendOf(address: string): number | null {
    return this.routes.get(address)?.port ?? null
  }

  /** Clients, by their addresses, whose newest connection is half-open. */
  get hanging(): number {
    let count = 0
    for (const { dead } of this.routes.values()) if (dead) count++
    return count
  }

  /** Resets some of the connections; others hang: both ends believe in them, and nothing goes through. */
  disturb(random: () => number): void {
    for (const pair of [...this.pairs]) {
      const what = random()
      if (what < 0.5) continue
      this.cuts++
      if (what < 0.75) pair.dead = true
      else {
        pair.client.resetAndDestroy()
        pair.server.resetAndDestroy()
      }
    }
  }

  async close(): Promise<void> {
    this.server.close()
    for (const { client, server } of this.pairs) {
      client.destroy()
      server.destroy()
    }
    await once(this.server, 'close')
  }

  private dial(client: Socket, tries: number): void {
    const port = this.backends[this.turn++ % this.backends.length]
    if (port === undefined || tries === 0) {
      client.destroy()
      return
    }
    const server = connect(port, '127.0.0.1')
    const refused = (): void => {
      server.destroy()
      if (!client.destroyed) this.dial(client, tries - 1)
    }
    server.once('error', refused)
    server.once('connect', () => {
      server.off('error', refused)
      this.join(client, server, port)
    })
  }

  private join(client: Socket, server: Socket, port: number): void {
    const pair: Pair = { client, server, port, dead: false }
    const address = client.remoteAddress ?? ''
    this.pairs.add(pair)
    this.routes.set(address, pair)
    const end = (): void => {
      this.pairs.delete(pair)
      // The client of a half-open one hangs until it comes anew, or gives up.
      if (pair.dead && !client.destroyed) return
      if (this.routes.get(address) === pair) this.routes.delete(address)
      if (pair.dead) return
      client.destroy()
      server.destroy()
    }
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.setNoDelay(true)
      from.on('error', end)
      from.on('close', end)
      from.on('data', (chunk) => {
        if (!pair.dead && !to.destroyed) to.write(chunk)
      })
    }
    if (client.destroyed) end()
  }
}
