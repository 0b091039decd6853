/* What was decided about users: see `Revocation`. */
import { grantText, parseGrantText, type Revocation } from '../auth/index.js'
import { assertText } from './errors.js'
import type { Sql } from './sql.js'
import type { RevocationPage } from './types.js'

/** Rows of a page, at most. */
const pageRows = 5_000

interface Row {
  readonly tenant: string
  readonly user_id: string
  readonly room: string
  readonly grant: string | null
  readonly final: boolean
  readonly at: number
  /** As PostgreSQL writes it: a JavaScript date has no microseconds. */
  readonly changed_at: string
}

/** See `Store.revoke`. */
export async function revoke(sql: Sql, revocation: Revocation): Promise<void> {
  const { tenant, user, at } = revocation
  assertText('a tenant', tenant)
  assertText('a user', user)
  const isGrant = revocation.do === 'grant'
  const room = isGrant ? revocation.room : ''
  assertText('a room name', room)
  const grant = isGrant && revocation.permissions !== null ? grantText(revocation.permissions) : null
  const final = !isGrant && revocation.final
  await sql`
    insert into revocations (tenant, user_id, room, "grant", final, at)
    values (${tenant}, ${user}, ${room}, ${grant}, ${final}, ${at})
    on conflict (tenant, user_id, room) do update
    set "grant" = excluded."grant", final = excluded.final, at = excluded.at, changed_at = clock_timestamp()
    where excluded.at >= revocations.at`
}

/** See `Store.revocations`. */
export async function readRevocations(
  sql: Sql,
  since: string | null,
  lookbackMs: number,
): Promise<RevocationPage> {
  const rows = await sql<Row[]>`
    select tenant, user_id, room, "grant", final, at, changed_at::text as changed_at from revocations
    where changed_at > coalesce(
      ${since}::text::timestamptz - ${lookbackMs}::int * interval '1 ms', '-infinity')
    order by changed_at limit ${pageRows}`
  return {
    revocations: rows.map(revocationOf),
    next: rows.at(-1)?.changed_at ?? since,
    more: rows.length === pageRows,
  }
}

/** See `Store.removeRevocations`. */
export async function removeRevocations(sql: Sql, before: number): Promise<void> {
  await sql`delete from revocations where at < ${before}`
}

const revocationOf = ({ tenant, user_id: user, room, grant, final, at }: Row): Revocation => {
  if (room === '') return { do: 'disconnect', tenant, user, final, at }
  const permissions = grant === null ? null : parseGrantText(grant)
  // What only a later version can read is a grant that this one cannot give.
  return { do: 'grant', tenant, user, room, permissions: permissions ?? null, at }
}
