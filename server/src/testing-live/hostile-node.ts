/* A node of the hostile network, in all its lives. */
import { pino } from 'pino'
import type { MemoryBus } from '../bus/index.js'
import { createServer, type WeftServer } from '../index.js'
import type { Store } from '../store/index.js'
import { FaultyStore, type Ledger } from '../testing/faulty-store.js'
import { testSecret } from '../testing/tokens.js'
import { shortLived } from './short-lived.js'

/** What the nodes have in common. */
export interface NodeWorld {
  readonly ledger: Ledger
  readonly bus: MemoryBus
  /** Of all nodes together. */
  lives: number
  /** Holds a commit up for a moment. */
  pause(): Promise<void>
  logged(node: string, line: string): void
}

export class HostileNode {
  faulty: FaultyStore | null = null
  private server: WeftServer | null = null
  private readonly world: NodeWorld
  private readonly store: Store
  private readonly name: string

  constructor(world: NodeWorld, store: Store, name: string) {
    this.world = world
    this.store = store
    this.name = name
  }

  get port(): number {
    return this.server?.port ?? 0
  }

  async start(): Promise<void> {
    const { world, store, name } = this
    this.faulty = new FaultyStore(store, world.ledger, () => world.pause())
    const logger = pino({ level: 'error' }, { write: (line: string) => world.logged(name, line) })
    this.server = await createServer({
      ...shortLived,
      jwtSecret: testSecret,
      logger,
      store: this.faulty,
      bus: world.bus.connect(`${name} ${world.lives++}`),
    })
  }

  async die(): Promise<void> {
    this.faulty?.kill()
    await this.server?.close()
  }
}
