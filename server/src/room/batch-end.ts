import type { RoomObserver } from './types.js'

/** Who has something to do once the batch that is being settled is settled whole. */
export interface BatchParticipant {
  afterBatch(): void
}

/** The end of a batch of the journal: one microtask for all rooms that had changes in it. */
export class BatchEnd {
  private readonly observer: Pick<RoomObserver, 'fault'>
  private participants: BatchParticipant[] = []

  constructor(observer: Pick<RoomObserver, 'fault'>) {
    this.observer = observer
  }

  /** `afterBatch` is called after the code that runs now. Called twice before that, it is called twice. */
  await(participant: BatchParticipant): void {
    this.participants.push(participant)
    if (this.participants.length === 1) queueMicrotask(this.end)
  }

  private readonly end = (): void => {
    const { participants } = this
    this.participants = []
    for (const participant of participants) {
      try {
        participant.afterBatch()
      } catch (error) {
        // What fails in one room does not hold up the others (I7).
        this.observer.fault('acknowledging a batch failed', error)
      }
    }
  }
}
