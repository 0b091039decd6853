/* The workers of one room without threads. */
import * as Y from 'yjs'
import { DocWorkers, type CompactedRoom } from '../../compaction/index.js'
import { inspectUpdate } from '../../crdt/index.js'
import type { Seq } from '../../ids.js'
import type { MemoryLog } from './memory-log.js'
import { turn } from './turns.js'

/** What the threads do, done here after some turns. */
export class ScriptedWorkers {
  /** Turns that a task takes. */
  latency = 1
  private readonly log: MemoryLog
  private snapshot: Seq = 0

  constructor(log: MemoryLog) {
    this.log = log
  }

  /** The room calls no other methods than the ones below. */
  get workers(): DocWorkers {
    const workers = Object.create(DocWorkers.prototype) as DocWorkers
    workers.merge = ({ parts }) => this.task(() => stateOf(parts))
    workers.diff = ({ parts, stateVector }) => this.task(() => stateOf(parts, stateVector))
    workers.inspect = ({ update }) => this.task(() => inspectUpdate(update))
    workers.compact = () => this.task(() => this.compact())
    return workers
  }

  private async task<T>(run: () => T): Promise<T> {
    for (let i = 0; i < this.latency; i++) await turn()
    const result = run()
    for (let i = 0; i < this.latency; i++) await turn()
    return result
  }

  /** From the log alone: it may reach beyond what the node knows. */
  private compact(): CompactedRoom | null {
    const { events } = this.log
    if (this.snapshot === events.length) return null
    this.snapshot = events.length
    const state = stateOf(events.filter(({ kind }) => kind === 'update').map(({ payload }) => payload))
    const stateVector = Y.encodeStateVectorFromUpdate(state)
    return { seq: events.length, state, stateVector, bytes: state.length, quarantined: [], problems: [] }
  }
}

/** Without `Y.mergeUpdates`: tests count its calls on the event loop. */
const stateOf = (parts: readonly Uint8Array[], stateVector?: Uint8Array): Uint8Array => {
  const doc = new Y.Doc()
  for (const part of parts) Y.applyUpdate(doc, part)
  return Y.encodeStateAsUpdate(doc, stateVector)
}
