/*
 * What a room's own client does in it: edits, messages and seeds on their way through the outbox. What becomes of those
 * that the server refuses is in `refusal.ts`, which is loaded for the first of them.
 */
import { decodeValue } from '@weft/protocol'
import * as Y from './yjs.js'
import { encodeDeletes } from './deletes.js'
import type { WeftError } from './errors.js'
import { createEventLog, type EventLog, type ReadLog } from './event-log.js'
import type { RoomContext } from './room-context.js'
import { createSender, type Sender } from './sender.js'
import { createAnswers, type Answers } from './waiters.js'

export interface LocalChanges {
  readonly room: RoomContext
  readonly sender: Sender
  readonly events: EventLog
  /** Seeds that are on their way. */
  readonly seeds: Answers<boolean>
  /** Changes that stand in for refused ones. */
  readonly replacements: Set<number>
  /** What `refusal.ts` has in common with the core. */
  readonly shared: {
    readonly decodeValue: typeof decodeValue
    readonly encodeDeletes: typeof encodeDeletes
  }
  /** See {@link Room.seed}. @param empty whether the document is, asked after `fill` has run */
  seed(fill: (doc: Y.Doc) => void, empty: () => boolean): Promise<boolean>
  /** The room was left: whoever waits is told. */
  end(error: WeftError): void
}

/**
 * @param first the number of the first change
 * @param refused change `n` was refused for good. It is in the outbox still
 */
export const createLocalChanges = (
  first: number,
  room: RoomContext,
  read: ReadLog,
  refused: (n: number, error: WeftError) => void,
): LocalChanges => {
  const seeds = createAnswers<boolean>()
  const replacements = new Set<number>()
  const sender = createSender(first, room, {
    committed: (change, seq, ackedAs) => {
      const { n } = change
      replacements.delete(n)
      if (change.kind === 'event') events.committed(n, seq, ackedAs)
      if (change.kind === 'seed') {
        room.apply([change.update])
        seeds.resolve(n, true)
      }
    },
    refused: (n, error) => {
      if (error.code !== 'not_empty') {
        refused(n, error)
        return
      }
      // A seed that comes too late has been answered, not refused.
      sender.remove(n)
      seeds.resolve(n, false)
      sender.settle()
    },
  })
  const append = (name: string, payload: Uint8Array): number =>
    sender.addFixed((n) => ({ kind: 'event', n, name, payload }))
  const events = createEventLog(room, append, read)

  return {
    room,
    sender,
    events,
    seeds,
    replacements,
    shared: { decodeValue, encodeDeletes },
    seed: async (fill, empty) => {
      if (room.over) throw room.over
      const doc = new Y.Doc()
      fill(doc)
      const update = Y.encodeStateAsUpdate(doc)
      return empty() && seeds.wait(sender.addFixed((n) => ({ kind: 'seed', n, update })))
    },
    end: (error) => {
      sender.fail(error)
      seeds.rejectAll(error)
      events.end(error)
    },
  }
}
