import { ProtocolError } from '@weft/protocol'
import { FairTurns, type SharedLimit } from '../tenants/index.js'
import type { MessagePage, MessageRange, RoomLife, Store } from '../store/types.js'

export interface HistoryReadsOptions {
  /** Bytes of a page as it is sent, at most; one message is always in it. */
  readonly pageBytes: number
  /** Pages read at the same time: opening a room must not wait behind them. */
  readonly concurrent: number
  /** Reads that wait for their turn; further ones are refused. Tenants take turns. */
  readonly waiting: SharedLimit
}

/** The reads of past messages on a node, a few at a time (I6). They go past the rooms, to the log. */
export class HistoryReads {
  private readonly store: Pick<Store, 'readMessages'>
  private readonly pageBytes: number
  private readonly turns: FairTurns

  constructor(store: Pick<Store, 'readMessages'>, options: HistoryReadsOptions) {
    this.store = store
    this.pageBytes = options.pageBytes
    this.turns = new FairTurns(options.concurrent, options.waiting)
  }

  /**
   * Reads a page (P51, P52).
   * @throws {ProtocolError} `overloaded`, `room_deleted`, and {@link StoreError}
   */
  async read(
    room: RoomLife & { readonly tenant: string },
    range: Omit<MessageRange, 'maxBytes'>,
  ): Promise<MessagePage> {
    if (!(await this.turns.begin(room.tenant)))
      throw new ProtocolError('overloaded', 'too many ask for the past of rooms; try again later')
    try {
      const page = await this.store.readMessages(room, { ...range, maxBytes: this.pageBytes })
      if (page === null) throw new ProtocolError('room_deleted', 'the room has been deleted')
      return page
    } finally {
      this.turns.end(room.tenant)
    }
  }
}
