/*
 * Which SyncStatuses a HocuspocusProvider waits for. It counts its unsynced changes: an update adds one, a SyncStatus takes
 * one off, and at 0 its application believes that everything is saved. A step 1 of the provider sets the count to one, whatever
 * it was, for the step 2 with which it will answer ours: that one stands for everything before. So a SyncStatus for each
 * update would be too many after a reconnect, where what was edited offline comes as updates too, and the count would reach 0
 * while changes wait. Pure.
 *
 * What was edited offline is sent when the first message of the server arrives, so after the step 1, and among what is typed
 * meanwhile, which counts. Content of both is told apart by the vector of the step 1. Deletes without content (an undo) are
 * not: nothing in an update says when it was made. The server's first message is a ping, and the provider answers it when it
 * has sent what had waited: from there on everything counts. The deletes before it are *spare*. Their SyncStatuses are for
 * the moment when nothing else is on its way: then those too many are for a count that is 0, where the provider ignores them.
 */
import { decodeStateVector, type Inspection } from '../crdt/index.js'
import type { ChangeKind } from './stock-document.js'

interface Owed {
  readonly n: number
  readonly statuses: number
}

export class SyncStatuses {
  private last = 0
  private owed: Owed[] = []
  /** SyncStatuses that the next step 2 stands for. */
  private withStepTwo = 0
  /** What the provider had at its step 1, until its step 2 comes: updates that it covers were made before. */
  private covered: Uint8Array | null = null
  /** The same, read when it is first needed. */
  private coveredClocks: ReadonlyMap<number, number> | null = null
  /** For updates of which nobody can tell whether they were made before the step 1. */
  private spare = 0
  /** Whether the state is still to come: at 0 the provider says `synced`, which means that the content is there (P39). */
  private held = false
  private ready = 0

  /** The number of the newest change. */
  get newest(): number {
    return this.last
  }

  /** Whether spare SyncStatuses may be sent, if the provider has nothing on its way. */
  get isSpareDue(): boolean {
    return this.spare > 0 && this.owed.length === 0 && !this.held
  }

  /** Whether every change is committed. */
  get isSettled(): boolean {
    return this.owed.length === 0
  }

  /**
   * The provider counts anew.
   * @param queued whether updates from before may still come after it
   */
  stepOne(stateVector: Uint8Array, queued: boolean): void {
    // Not a view into a large message; and not read before it is needed, since anybody can send one.
    this.covered = queued ? stateVector.slice() : null
    this.coveredClocks = null
    this.owed = this.owed.map(({ n }) => ({ n, statuses: 0 }))
    this.withStepTwo = 1
    this.spare = 0
    this.ready = 0
    this.held = true
  }

  /** What the provider had kept for the connection has come: what comes from now on counts. */
  flushed(): void {
    this.covered = null
    this.coveredClocks = null
  }

  /** Nothing was on the provider's way. @returns SyncStatuses to send */
  takeSpare(): number {
    const { spare } = this
    this.spare = 0
    return spare
  }

  /** The state that the step 1 asked for has been sent. @returns SyncStatuses to send */
  stateSent(): number {
    this.held = false
    return this.take(0)
  }

  /** An update is not taken in now. The provider counts it; a later step 2 brings what it holds. */
  missed(): void {
    this.withStepTwo++
  }

  /** The document has ended for the provider, which may come back to it without a new step 1. */
  ended(): void {
    for (const { statuses } of this.owed) this.withStepTwo += statuses
    this.withStepTwo += this.spare + this.ready
    this.owed = []
    this.spare = 0
    this.ready = 0
    this.held = false
  }

  /**
   * A change is taken in.
   * @param inspection what it adds, null for nothing
   * @returns its number
   */
  add(kind: ChangeKind, inspection: Inspection | null): number {
    const n = ++this.last
    if (kind === 'step2') {
      this.owed.push({ n, statuses: this.withStepTwo })
      this.withStepTwo = 0
      this.flushed()
    } else this.owed.push({ n, statuses: this.ofUpdate(inspection) })
    return n
  }

  /** Everything up to change `n` is committed. @returns SyncStatuses to send */
  acked(n: number): number {
    let done = 0
    let statuses = 0
    for (const change of this.owed) {
      if (change.n > n) break
      statuses += change.statuses
      done++
    }
    this.owed = this.owed.slice(done)
    return this.take(statuses)
  }

  private take(statuses: number): number {
    this.ready += statuses
    if (this.held) return 0
    const { ready } = this
    this.ready = 0
    return ready
  }

  private ofUpdate(inspection: Inspection | null): number {
    const { covered } = this
    if (covered === null) return 1
    const structs = inspection?.structs ?? []
    if (structs.length === 0) {
      this.spare++
      return 0
    }
    const clocks = (this.coveredClocks ??= readClocks(covered))
    return structs.every(({ client, clock, len }) => clock + len <= (clocks.get(client) ?? 0)) ? 0 : 1
  }
}

/** Of a vector that does not decode the document tells its sender. Here it covers nothing. */
const readClocks = (stateVector: Uint8Array): ReadonlyMap<number, number> => {
  try {
    return decodeStateVector(stateVector)
  } catch {
    return new Map()
  }
}
