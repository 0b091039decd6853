import { ProtocolError } from '@weft/protocol'
import type { MessagePage, MessageRange, RoomLife, Store } from '../store/types.js'

export interface HistoryReadsOptions {
  /** Bytes of a page as it is sent, at most; one message is always in it. */
  readonly pageBytes: number
  /** Pages read at the same time: opening a room must not wait behind them. */
  readonly concurrent: number
  /** Reads that wait for their turn; further ones are refused. */
  readonly waiting: number
}

/** The reads of past messages on a node, a few at a time (I6). They go past the rooms, to the log. */
export class HistoryReads {
  private readonly store: Pick<Store, 'readMessages'>
  private readonly options: HistoryReadsOptions
  private readonly queue: (() => void)[] = []
  private running = 0

  constructor(store: Pick<Store, 'readMessages'>, options: HistoryReadsOptions) {
    this.store = store
    this.options = options
  }

  /**
   * Reads a page (P51, P52).
   * @throws {ProtocolError} `overloaded`, `room_deleted`, and {@link StoreError}
   */
  async read(room: RoomLife, range: Omit<MessageRange, 'maxBytes'>): Promise<MessagePage> {
    await this.turn()
    try {
      const page = await this.store.readMessages(room, { ...range, maxBytes: this.options.pageBytes })
      if (page === null) throw new ProtocolError('room_deleted', 'the room has been deleted')
      return page
    } finally {
      const next = this.queue.shift()
      // The place goes to the next one directly: nobody who comes meanwhile overtakes.
      if (next === undefined) this.running--
      else next()
    }
  }

  private async turn(): Promise<void> {
    if (this.running < this.options.concurrent) {
      this.running++
      return
    }
    if (this.queue.length >= this.options.waiting) {
      throw new ProtocolError('overloaded', 'too many ask for the past of rooms; try again later')
    }
    await new Promise<void>((resolve) => this.queue.push(resolve))
  }
}
