/* What an operator does to one room, beside a server or without one: on the same store, through the same workers. */
import { DocWorkers } from '../compaction/index.js'
import type { Config } from '../config.js'
import type { RoomId, Seq } from '../ids.js'
import { connectWorker, openStore, type Sql, type Store } from '../store/index.js'
import { OperateError } from './errors.js'

/** A room as the table has it. */
export interface RoomRecord {
  readonly tenant: string
  readonly name: string
  readonly id: RoomId
  readonly epoch: number
  readonly headSeq: Seq
}

export interface Operator {
  readonly store: Store
  readonly sql: Sql
  /** @throws {OperateError} when there is none */
  room(tenant: string, name: string): Promise<RoomRecord>
  /** Doc workers that give a task so many milliseconds. */
  workers(timeoutMs: number): DocWorkers
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/**
 * Opens the store for `run`, and closes it after.
 * @throws {StoreStartError} when it cannot be used; the embedded one belongs to one process at a time
 */
export const operate = async <T>(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
  run: (operator: Operator) => Promise<T>,
): Promise<T> => {
  const store = await openStore({ databaseUrl: config.databaseUrl, dataDir: config.dataDir, logger: silent })
  const sql = connectWorker(store.connection)
  const pools: DocWorkers[] = []
  try {
    return await run({
      store,
      sql,
      room: (tenant, name) => findRoom(sql, tenant, name),
      workers: (timeoutMs) => {
        const pool = new DocWorkers({ connection: store.connection, threads: 1, timeoutMs })
        pools.push(pool)
        return pool
      },
    })
  } finally {
    for (const pool of pools) await pool.close()
    await sql.end()
    await store.close()
  }
}

const findRoom = async (sql: Sql, tenant: string, name: string): Promise<RoomRecord> => {
  const [row] = await sql<{ id: RoomId; epoch: number; head_seq: number }[]>`
    select id, epoch, head_seq from rooms where tenant = ${tenant} and name = ${name} and deleted_at is null`
  if (row !== undefined) return { tenant, name, id: row.id, epoch: row.epoch, headSeq: row.head_seq }
  const whose = tenant === '' ? '' : ` of the tenant ${JSON.stringify(tenant)}`
  throw new OperateError(`there is no room ${JSON.stringify(name)}${whose}`)
}
