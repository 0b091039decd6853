import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  customType,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'

const bytea = customType<{ data: Uint8Array }>({ dataType: () => 'bytea' })
const moment = (name: string) => timestamp(name, { withTimezone: true })

/** `events.kind`. */
export const eventKinds = { update: 0, message: 1 } as const

/** One row a room. A deleted room keeps its row, so that its epoch still fences late commits. */
export const rooms = pgTable(
  'rooms',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    tenant: text('tenant').notNull(),
    name: text('name').notNull(),
    /** Random, 48 bits: exact in a JavaScript number. */
    epoch: bigint('epoch', { mode: 'number' }).notNull(),
    /** The seq of the newest event; the row lock on it is what makes `events.seq` dense. */
    headSeq: bigint('head_seq', { mode: 'number' }).notNull().default(0),
    /** The seq of the first update, null while there is none; 0 in a room older than this column: not looked up yet. */
    firstUpdateSeq: bigint('first_update_seq', { mode: 'number' }),
    deletedAt: moment('deleted_at'),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('rooms_tenant_name_live')
      .on(t.tenant, t.name)
      .where(sql`deleted_at is null`),
  ],
)

/**
 * The log: the truth (I4). Written by `weft_commit` alone.
 * No foreign key to rooms: `weft_commit` holds the room's row lock and has checked its epoch; the constraint would
 * look the room up again for every row, which doubles the cost of an insert.
 */
export const events = pgTable(
  'events',
  {
    roomId: bigint('room_id', { mode: 'number' }).notNull(),
    seq: bigint('seq', { mode: 'number' }).notNull(),
    /** See `eventKinds`. */
    kind: smallint('kind').notNull(),
    author: text('author'),
    clientId: uuid('client_id'),
    clientSeq: bigint('client_seq', { mode: 'number' }),
    name: text('name'),
    payload: bytea('payload').notNull(),
    createdAt: moment('created_at')
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ columns: [t.roomId, t.seq] }),
    uniqueIndex('events_message_key')
      .on(t.roomId, sql`coalesce(author, '')`, t.clientId, t.clientSeq)
      .where(sql`kind = 1`),
    // Pages of a room's past: its messages may be few among millions of updates.
    index('events_messages')
      .on(t.roomId, t.seq)
      .where(sql`kind = 1`),
    check('events_kind_name', sql`(kind = 0 and name is null) or (kind = 1 and name is not null)`),
  ],
)

/**
 * Merged states. A snapshot is its rows of one (room_id, seq), parts 0, 1, 2 and so on.
 * While its parts are being written they stand under a negative, random seq; one statement then gives all of them
 * their seq, so that a reader of `seq >= 0` sees whole snapshots only, and two writers cannot mix their parts.
 */
export const snapshots = pgTable(
  'snapshots',
  {
    roomId: bigint('room_id', { mode: 'number' }).notNull(),
    seq: bigint('seq', { mode: 'number' }).notNull(),
    part: integer('part').notNull(),
    state: bytea('state').notNull(),
    /** On part 0. */
    stateVector: bytea('state_vector'),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.roomId, t.seq, t.part] }),
    check('snapshots_part_size', sql`octet_length(state) <= 1048576`),
    check('snapshots_state_vector', sql`part <> 0 or state_vector is not null`),
  ],
)

/** Events that could not be stored (seq null) or, once stored, not be applied. For a person to look at. */
export const quarantinedEvents = pgTable(
  'quarantined_events',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    roomId: bigint('room_id', { mode: 'number' }).notNull(),
    seq: bigint('seq', { mode: 'number' }),
    payload: bytea('payload').notNull(),
    reason: text('reason').notNull(),
    at: moment('at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('quarantined_events_room_seq')
      .on(t.roomId, t.seq)
      .where(sql`seq is not null`),
    index('quarantined_events_room').on(t.roomId),
  ],
)

/**
 * One row a node that has others to talk to, renewed on its sweep. While Redis is away it tells who is dead; see `NodeRows`.
 * Removed by the node when it stops, and by any other when it has been dead for long.
 */
export const nodes = pgTable('nodes', {
  /** Random, and another one after each start. */
  id: text('id').primaryKey(),
  /** On the database's clock: past it, the node is dead. */
  aliveUntil: moment('alive_until').notNull(),
})

/**
 * What was decided about users after their tokens were made (see `Control`): a row a user and room. It counts for tokens that
 * were made before it, and goes when none of them can be valid any more.
 */
export const revocations = pgTable(
  'revocations',
  {
    tenant: text('tenant').notNull(),
    userId: text('user_id').notNull(),
    /** '' for the user as a whole, whose connections end. */
    room: text('room').notNull(),
    /** What the user may do in the room, as `grantText` writes it; null for nothing. */
    grant: text('grant'),
    /** Of a user as a whole: whether the clients stay away, or come back with a new token. */
    final: boolean('final').notNull(),
    /** When it was decided, in milliseconds since 1970. */
    at: bigint('at', { mode: 'number' }).notNull(),
    /** On the database's clock: what nodes have not read yet is newer than what they have. */
    changedAt: moment('changed_at')
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.userId, t.room] }),
    index('revocations_changed').on(t.changedAt),
    index('revocations_at').on(t.at),
  ],
)

/**
 * One row: names this database. The nodes on it talk under that name, so that two deployments may share a Redis and never
 * hear each other.
 */
export const cluster = pgTable('cluster', {
  id: uuid('id').primaryKey().defaultRandom(),
})
