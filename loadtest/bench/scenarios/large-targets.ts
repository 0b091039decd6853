import type { Bench, PeerServer, WeftServer } from '../bench.js'
import { type LargeDocument, largeDocument } from '../data/large-document.js'
import { checkRoom, seedPeer, seedRoom } from '../load/seed.js'
import { cpuTime } from '../measure/proc.js'
import { setTimeout as sleep } from 'node:timers/promises'
import type { OwnTarget, Target } from '../servers/target.js'

/** The room that the large document is typed into. */
export const largeRoom = 'bench large document'

/** Servers that hold the large document. */
export interface LargeTargets {
  readonly document: LargeDocument
  /** The bare server with cached replies, if it takes part. */
  readonly bare: OwnTarget | null
  /** The Weft server that was seeded, if it takes part. */
  readonly weft: WeftServer | null
  /** Servers of others that hold it. Somebody is in the room: what is kept in memory stays. */
  readonly peers: readonly PeerServer[]
  readonly notes: readonly string[]
}

export const startLargeTargets = async (bench: Bench): Promise<LargeTargets> => {
  bench.log('making the large document')
  const document = largeDocument()
  const notes = [
    `the document: ${document.text.length} characters, ${document.state.length} bytes encoded, ` +
      `${document.inSyncUpdate.length} bytes of deletes`,
  ]
  const bare = bench.wants('bare') ? await bench.bare(document.state) : null
  const seeded: PeerServer[] = []
  for (const server of await bench.startPeers()) {
    bench.log(`seeding ${server.name}`)
    try {
      await seedPeer(server, largeRoom, document.state)
      seeded.push(server)
    } catch (error) {
      bench.complain(server.name, error)
    }
  }
  if (!bench.wantsWeft) return { document, bare, weft: null, peers: seeded, notes }
  const weft = await bench.weft()
  bench.log('seeding the large document')
  const start = performance.now()
  await seedRoom(weft.weft, largeRoom, document)
  const seconds = (performance.now() - start) / 1000
  notes.push(`seeding by ${document.updates.length} updates: all durable after ${seconds.toFixed(1)} s`)
  // The room goes idle and is compacted: what follows is measured on a quiet server.
  await quiet(weft.weft, 10_000)
  for (const target of [weft.weft, weft.yjs]) await checkRoom(target, largeRoom, document)
  return { document, bare, weft, peers: seeded, notes }
}

const stepMs = 250
const quietCpuMs = 10

/** Resolves when a server has done next to nothing for half a second, or after so many ms. */
export const quiet = async (target: Target, timeoutMs: number): Promise<void> => {
  const deadline = performance.now() + timeoutMs
  let calm = 0
  while (calm < 2 && performance.now() < deadline) {
    const before = cpuTime(target.server.pid).statMs
    await sleep(stepMs)
    calm = cpuTime(target.server.pid).statMs - before <= quietCpuMs ? calm + 1 : 0
  }
}
