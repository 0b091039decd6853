/* What must be true of a log after an ordering run: all that a peer did is there once, where it was told, and in its order. */
import type { StoredEvent } from '../store/index.js'

/** What a peer did, and was told. */
export interface PeerRecord {
  readonly label: string
  /** In hexadecimal. */
  readonly clientId: string
  /** Payloads of the messages that it has appended, by number. */
  readonly appended: ReadonlyMap<number, string>
  /** Seqs of its acknowledged changes, by number. */
  readonly acked: ReadonlyMap<number, number>
}

/** What is wrong with a peer's part of a log that is dense from 1. */
export const logProblems = (record: PeerRecord, events: readonly StoredEvent[]): string[] => {
  const { label, clientId, appended, acked } = record
  const problems: string[] = []
  const own = events.filter((event) => event.kind === 'message' && event.clientId === clientId)
  const expected = [...appended.keys()]
  const stored = own.map(({ clientSeq }) => clientSeq)
  if (stored.join() !== expected.join())
    problems.push(`I2: ${label} appended ${expected.join()}, and the log has ${stored.join()}`)
  for (const [n, seq] of acked) {
    const event = events[seq - 1]
    if (appended.has(n) && (event?.clientId !== clientId || event.clientSeq !== n))
      problems.push(`P22: ${label} was told that ${n} is ${seq}, which it is not`)
  }
  return [...problems, ...orderProblems(record, events)]
}

/** Updates and messages of a client never change places. A resent update may stand twice; its first place counts. */
const orderProblems = ({ label, clientId }: PeerRecord, events: readonly StoredEvent[]): string[] => {
  const problems: string[] = []
  let highest = 0
  const seen = new Set<number>()
  for (const event of events) {
    if (event.clientId !== clientId || event.clientSeq === null || seen.has(event.clientSeq)) continue
    seen.add(event.clientSeq)
    if (event.clientSeq < highest)
      problems.push(`change ${event.clientSeq} of ${label} is in the log after ${highest}`)
    highest = Math.max(highest, event.clientSeq)
  }
  return problems
}
