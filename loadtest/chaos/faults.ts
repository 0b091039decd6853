/* What is done to a cluster, by the tests and by `npm run chaos`. */
import type { ServerProcess } from '@weft/server/testing'
import type { Cluster } from './cluster.js'

export interface FaultContext {
  readonly cluster: Cluster
  /** The one that is hit, where one node is. */
  readonly node: ServerProcess
  readonly random: () => number
  /**
   * What goes on while something is broken; it is mended when this resolves.
   * @param share of the fault's whole time, 0 to 1
   */
  during(share: number): Promise<void>
}

export interface Fault {
  /** For timelines and plots. */
  readonly title: string
  readonly hitsOneNode: boolean
  /** Resolves when what was broken runs again. */
  run(context: FaultContext): Promise<void>
}

/** How many times connections are cut in one fault. */
const cuts = 5

export const faults = {
  'node-killed': {
    title: 'node killed',
    hitsOneNode: true,
    async run({ node, during }) {
      await node.kill()
      await during(1)
      node.spawn()
      await node.untilUp()
    },
  },
  'node-frozen': {
    title: 'node frozen',
    hitsOneNode: true,
    async run({ node, during }) {
      node.pause()
      await during(1)
      node.resume()
    },
  },
  'redis-killed': {
    title: 'Redis killed',
    hitsOneNode: false,
    async run({ cluster: { redis }, during }) {
      await redis.kill()
      await during(1)
      await redis.restart()
    },
  },
  'redis-frozen': {
    title: 'Redis frozen',
    hitsOneNode: false,
    async run({ cluster: { redis }, during }) {
      redis.stop()
      await during(1)
      redis.cont()
    },
  },
  'postgres-killed': {
    title: 'PostgreSQL killed',
    hitsOneNode: false,
    async run({ cluster: { database }, during }) {
      await database.kill()
      await during(1)
      await database.start()
    },
  },
  'postgres-frozen': {
    title: 'PostgreSQL frozen',
    hitsOneNode: false,
    async run({ cluster: { database }, during }) {
      database.pause()
      await during(1)
      database.resume()
    },
  },
  /** Some are reset, and some left half-open: nothing goes through, and neither end is told. */
  'connections-cut': {
    title: 'connections cut',
    hitsOneNode: false,
    async run({ cluster: { balancer }, random, during }) {
      for (let i = 0; i < cuts; i++) {
        balancer.disturb(random)
        await during(1 / cuts)
      }
    },
  },
  /** Each node stops in good order (SIGTERM) and starts again before the next one does. */
  'rolling-restart': {
    title: 'rolling restart',
    hitsOneNode: false,
    async run({ cluster: { nodes }, during }) {
      for (const node of nodes) {
        const code = await node.terminate()
        if (code !== 0) throw new Error(`a node that was told to stop ended with code ${code}:\n${node.log}`)
        await during(0.5 / nodes.length)
        node.spawn()
        await node.untilUp()
        await during(0.5 / nodes.length)
      }
    },
  },
} as const satisfies Readonly<Record<string, Fault>>

export type FaultName = keyof typeof faults

export const faultNames = Object.keys(faults) as FaultName[]
