import type { NodeId } from './types.js'

/** A node that has been silent for so long is taken for gone, in milliseconds: signs of life come every second. */
const goneMs = 10_000

/** Nodes that are remembered; an upgrade has fewer. */
const maxNodes = 1_000

/** The nodes of a release that does not listen to the commits channel, by their signs of life. Pure: time is passed in. */
export class OlderNodes {
  private readonly lastAlive = new Map<NodeId, number>()

  /** A sign of life. @param hearsCommits what it says of its node */
  alive(node: NodeId, hearsCommits: boolean, now: number): void {
    this.lastAlive.delete(node)
    if (!hearsCommits && this.lastAlive.size < maxNodes) this.lastAlive.set(node, now)
  }

  isAnyHeard(now: number): boolean {
    for (const [node, at] of this.lastAlive) {
      if (now - at < goneMs) return true
      this.lastAlive.delete(node)
    }
    return false
  }
}
