/* `weft room inspect` */
import { Coverage } from '../crdt/index.js'
import type { Seq } from '../ids.js'
import type { Operator } from './operator.js'
import { messageOf } from '../message-of.js'

export interface RoomReport {
  readonly name: string
  readonly tenant: string
  readonly epoch: number
  readonly head: Seq
  readonly events: { readonly updates: number; readonly messages: number; readonly bytes: number }
  readonly snapshots: readonly { readonly seq: Seq; readonly bytes: number; readonly at: string }[]
  readonly quarantined: readonly {
    readonly seq: Seq | null
    readonly bytes: number
    readonly reason: string
    readonly at: string
  }[]
  /** Null when the room cannot be loaded; `problem` says why. */
  readonly document: { readonly clients: number; readonly pendingSeqs: readonly Seq[] } | null
  readonly problem: string | null
}

/** What is known of a room. @throws {OperateError} when there is none */
export const inspectRoom = async (
  operator: Operator,
  tenant: string,
  name: string,
  maxMs: number,
): Promise<RoomReport> => {
  const room = await operator.room(tenant, name)
  const { sql } = operator
  const [events] = await sql<{ updates: number; messages: number; bytes: number }[]>`
    select count(*) filter (where kind = 0)::int as updates, count(*) filter (where kind = 1)::int as messages,
      coalesce(sum(octet_length(payload)), 0)::float8 as bytes
    from events where room_id = ${room.id}`
  const snapshots = await sql<{ seq: number; bytes: number; at: Date }[]>`
    select seq, sum(octet_length(state))::float8 as bytes, max(created_at) as at
    from snapshots where room_id = ${room.id} and seq >= 0 group by seq order by seq desc`
  const document = await documentOf(operator, room, maxMs)
  // After the load, which sets aside what it cannot use.
  const quarantined = await sql<{ seq: number | null; bytes: number; reason: string; at: Date }[]>`
    select seq, octet_length(payload) as bytes, reason, at from quarantined_events
    where room_id = ${room.id} order by seq nulls last, id`
  const dated = <R extends { at: Date }>({ at, ...rest }: R): Omit<R, 'at'> & { at: string } => ({
    ...rest,
    at: at.toISOString(),
  })
  return {
    name,
    tenant,
    epoch: room.epoch,
    head: room.headSeq,
    events: events ?? { updates: 0, messages: 0, bytes: 0 },
    snapshots: snapshots.map(dated),
    quarantined: quarantined.map(dated),
    document: typeof document === 'string' ? null : document,
    problem: typeof document === 'string' ? document : null,
  }
}

const documentOf = async (
  operator: Operator,
  { id, epoch }: Awaited<ReturnType<Operator['room']>>,
  maxMs: number,
): Promise<RoomReport['document'] | string> => {
  try {
    const loaded = await operator.workers(maxMs).load({ roomId: id, epoch })
    const coverage = Coverage.restore(loaded.coverage)
    return {
      clients: coverage.stateVector().size,
      pendingSeqs: loaded.coverage.waiting.map(({ tag }) => tag ?? 0),
    }
  } catch (error) {
    return messageOf(error)
  }
}

/** The report as a table for a person. */
export const reportText = (report: RoomReport): string => {
  const { events, document } = report
  const rows: [string, string][] = [
    ['room', JSON.stringify(report.name)],
    ['tenant', report.tenant === '' ? '(none)' : JSON.stringify(report.tenant)],
    ['epoch', String(report.epoch)],
    ['head', String(report.head)],
    ['events', `${events.updates} updates, ${events.messages} messages, ${events.bytes} bytes`],
    ...report.snapshots.map(({ seq, bytes, at }): [string, string] => [
      'snapshot',
      `up to ${seq}, ${bytes} bytes, ${at}`,
    ]),
    ['clients', document === null ? 'unknown' : String(document.clients)],
    ['pending', pendingText(document)],
    ...report.quarantined.map(({ seq, bytes, reason }): [string, string] => [
      'quarantined',
      `${seq === null ? 'never stored' : `event ${seq}`}, ${bytes} bytes: ${reason}`,
    ]),
  ]
  if (report.problem !== null) rows.push(['problem', `the room cannot be loaded: ${report.problem}`])
  return rows.map(([name, value]) => `${name.padEnd(12)} ${value}\n`).join('')
}

const pendingText = (document: RoomReport['document']): string => {
  if (document === null) return 'unknown'
  const { pendingSeqs } = document
  if (pendingSeqs.length === 0) return 'nothing'
  const shown = pendingSeqs.slice(0, 10).join(', ')
  return `${pendingSeqs.length} updates wait for others: ${shown}${pendingSeqs.length > 10 ? ', ...' : ''}`
}
