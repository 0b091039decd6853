import * as Y from 'yjs'
import {
  Coverage,
  decodeStateVector,
  encodeStateVector,
  inspectUpdate,
  UPDATE_LIMITS,
  UpdateInvalidError,
} from '../crdt/index.js'
import {
  connectWorker,
  quarantineEvent,
  StoreError,
  toStoreError,
  writeSnapshot,
  type Sql,
} from '../store/worker.js'
import type { RoomId, Seq } from '../ids.js'
import type { StoreConnection } from '../store/types.js'
import { addsNothing as checkAddsNothing } from './adds-nothing.js'
import { buildState, mergeState, type BuiltState, type Piece } from './build-document.js'
import { DocWorkerError } from './errors.js'
import { mergeAll } from './merge.js'
import { packEvents } from './packed-events.js'
import { packInspection } from './packed-inspection.js'
import { readBase, readFitEvents, readHead, type Base } from './read-room.js'
import { toShared } from './shared-bytes.js'
import type { CompactedRoom, LoadedRoom, TaskFailure, TaskResult, Tasks } from './tasks.js'
import { messageOf } from '../message-of.js'

/** One connection a thread, opened at its first task that needs it. */
let connected: { key: string; sql: Sql } | null = null

function connect(connection: StoreConnection): Sql {
  const key = JSON.stringify(connection)
  if (connected?.key === key) return connected.sql
  void connected?.sql.end()
  const sql = connectWorker(connection)
  connected = { key, sql }
  return sql
}

export function ready(): Promise<TaskResult<null>> {
  return answer(() => null)
}

export function load({
  connection,
  roomId,
  epoch,
  upTo,
}: Tasks['load']['input']): Promise<TaskResult<LoadedRoom>> {
  return answer(async () => {
    const sql = connect(connection)
    const problems: string[] = []
    const head = await readHead(sql, roomId, epoch)
    const headSeq = upTo === null ? head : Math.min(head, upTo)
    const base = await readBase(sql, roomId, headSeq, problems)
    const { events, quarantined } = await readFitEvents(sql, roomId, base.seq, headSeq)

    const coverage = new Coverage()
    if (base.inspection !== null) coverage.add(base.inspection, base.seq)
    const baseStateVector = coverage.encodeStateVector()
    for (const { event, inspection } of events) if (inspection !== null) coverage.add(inspection, event.seq)
    return {
      baseSeq: base.seq,
      base: base.state === null ? null : toShared(base.state),
      baseStateVector,
      headSeq,
      events: packEvents(events.map(({ event }) => event)),
      coverage: coverage.serialize(),
      quarantined,
      problems,
    }
  })
}

export function compact({
  connection,
  roomId,
  epoch,
  plain,
}: Tasks['compact']['input']): Promise<TaskResult<CompactedRoom | null>> {
  return answer(async () => {
    const sql = connect(connection)
    const problems: string[] = []
    const head = await readHead(sql, roomId, epoch)
    const base = await readBase(sql, roomId, head, problems)
    if (base.seq >= head) return null
    let from = await readPieces(sql, roomId, base, head)
    let built: BuiltState
    const build = plain ? mergeState : buildState
    try {
      built = build(base.state, from.pieces)
    } catch {
      // The base decodes and cannot be applied, which would fail every compaction from here on: an older one, then.
      const older = await readBase(sql, roomId, head, problems, (state) => Y.applyUpdate(new Y.Doc(), state))
      from = await readPieces(sql, roomId, older, head)
      built = build(older.state, from.pieces)
    }
    const { pieces, quarantined } = from
    for (const { seq, reason } of built.failed) {
      const payload = pieces.find((piece) => piece.seq === seq)?.update
      if (payload !== undefined) await quarantineEvent(sql, { roomId, seq, payload, reason })
    }
    const written = await writeSnapshot(sql, roomId, epoch, head, built.state, built.stateVector)
    if (written === 'fenced')
      throw new DocWorkerError('fenced', `room ${roomId} is gone or has another epoch`)
    return {
      seq: head,
      state: toShared(built.state),
      stateVector: built.stateVector,
      bytes: built.state.length,
      quarantined: [...quarantined, ...built.failed.map(({ seq }) => seq)].sort((a, b) => a - b),
      problems,
    }
  })
}

export function probe({
  connection,
  roomId,
  epoch,
  upTo,
  without,
}: Tasks['probe']['input']): Promise<TaskResult<Tasks['probe']['output']>> {
  return answer(async () => {
    const sql = connect(connection)
    await readHead(sql, roomId, epoch)
    const { pieces } = await readPieces(sql, roomId, { seq: 0, state: null, inspection: null }, upTo)
    return buildState(
      null,
      pieces.filter(({ seq }) => !without.includes(seq)),
    ).failed
  })
}

async function readPieces(
  sql: Sql,
  roomId: RoomId,
  base: Base,
  head: Seq,
): Promise<{ pieces: Piece[]; quarantined: Seq[] }> {
  const { events, quarantined } = await readFitEvents(sql, roomId, base.seq, head)
  const pieces: Piece[] = []
  for (const { event, inspection } of events) {
    if (inspection !== null) pieces.push({ seq: event.seq, update: event.payload, inspection })
  }
  return { pieces, quarantined }
}

export function diff({ parts, stateVector }: Tasks['diff']['input']): Promise<TaskResult<Uint8Array>> {
  return answer(() => {
    const known = encodeStateVector(decodeStateVector(stateVector))
    return toShared(Y.diffUpdate(mergeAll(parts), known))
  })
}

export function merge({ parts }: Tasks['merge']['input']): Promise<TaskResult<Uint8Array>> {
  return answer(() => toShared(mergeAll(parts)))
}

export function inspect({
  update,
}: Tasks['inspect']['input']): Promise<TaskResult<Tasks['inspect']['output']>> {
  return answer(() => packInspection(inspectUpdate(update, UPDATE_LIMITS)))
}

export function addsNothing({ parts, update }: Tasks['addsNothing']['input']): Promise<TaskResult<boolean>> {
  return answer(() => checkAddsNothing(parts, update))
}

async function answer<T>(task: () => T | Promise<T>): Promise<TaskResult<T>> {
  try {
    return { ok: true, value: await task() }
  } catch (error) {
    return { ok: false, error: failureOf(error) }
  }
}

function failureOf(error: unknown): TaskFailure {
  const message = messageOf(error)
  if (error instanceof UpdateInvalidError) return { kind: 'update_invalid', message }
  if (error instanceof DocWorkerError) return { kind: 'worker', code: error.code, message }
  // The driver's errors carry a code (an SQLSTATE, CONNECTION_CLOSED, ECONNREFUSED); Yjs' do not.
  if (error instanceof StoreError || (error instanceof Error && 'code' in error)) {
    const stored = toStoreError(error)
    return { kind: 'store', storeKind: stored.kind, sqlState: stored.sqlState, message: stored.message }
  }
  return {
    kind: 'worker',
    code: 'failed',
    message: error instanceof Error ? (error.stack ?? message) : message,
  }
}
