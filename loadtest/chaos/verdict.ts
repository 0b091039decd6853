/* The counting alone: what was promised against what is there. */

/** One room, when all is over. An event is written `seq token`; a token is `author.number`, the numbers ascending. */
export interface RoomLog {
  readonly room: string
  /** Edits that were acknowledged, in the order of the acknowledgements. */
  readonly saved: readonly string[]
  /** The edits that a fresh client finds. */
  readonly found: readonly string[]
  /** Events that were acknowledged, under the seqs that their authors were told, in the order of the acknowledgements. */
  readonly logged: readonly string[]
  /** The events that a fresh client reads. */
  readonly log: readonly string[]
  /** The events that each client heard; all were there before the first. */
  readonly heard: readonly (readonly string[])[]
}

export interface Verdict {
  /** Edits and events. */
  readonly acked: number
  /** Acknowledged edits and events that a fresh client does not find. */
  readonly lost: number
  /** Edits and events found more than once, by a fresh client or by one that listened. */
  readonly duplicated: number
  /**
   * Events that a client heard out of the log's order or not at all, events whose seq is not the one that the author was told,
   * and edits and events of one author that were acknowledged or logged out of the order in which they were made.
   */
  readonly orderViolations: number
}

const seqOf = (event: string): number => Number.parseInt(event, 10)

const tokenOf = (event: string): string => event.slice(event.indexOf(' ') + 1)

/** How many there are beyond the first of each. */
const repeats = (tokens: readonly string[]): number => tokens.length - new Set(tokens).size

/** Numbers of one author that are not above all before them. */
const setBacks = (tokens: readonly string[]): number => {
  const highest = new Map<string, number>()
  let count = 0
  for (const token of tokens) {
    const dot = token.lastIndexOf('.')
    const author = token.slice(0, dot)
    const number = Number(token.slice(dot + 1))
    const before = highest.get(author) ?? -1
    if (number < before) count++
    else highest.set(author, number)
  }
  return count
}

/** Events of a log that one client did not hear, and those that it heard after a later one. */
const misheard = (heard: readonly string[], log: readonly string[]): number => {
  const events = new Set(heard)
  let count = log.filter((event) => !events.has(event)).length
  let highest = 0
  for (const event of heard) {
    const seq = seqOf(event)
    if (seq < highest) count++
    else highest = seq
  }
  return count
}

const judgeRoom = ({ saved, found, logged, log, heard }: RoomLog): Verdict => {
  const foundTokens = new Set(found)
  const seqs = new Map(log.map((event) => [tokenOf(event), seqOf(event)]))
  const logTokens = log.map(tokenOf)
  const missing = saved.filter((token) => !foundTokens.has(token)).length
  const unlogged = logged.filter((event) => !seqs.has(tokenOf(event))).length
  const elsewhere = logged.filter((event) => {
    const seq = seqs.get(tokenOf(event))
    return seq !== undefined && seq !== seqOf(event)
  }).length
  let duplicated = repeats(found) + repeats(logTokens)
  let orderViolations = elsewhere + setBacks(saved) + setBacks(logged.map(tokenOf)) + setBacks(logTokens)
  for (const events of heard) {
    duplicated += repeats(events.map(tokenOf))
    orderViolations += misheard(events, log)
  }
  return { acked: saved.length + logged.length, lost: missing + unlogged, duplicated, orderViolations }
}

export const judge = (rooms: readonly RoomLog[]): Verdict =>
  rooms.map(judgeRoom).reduce(
    (sum, room) => ({
      acked: sum.acked + room.acked,
      lost: sum.lost + room.lost,
      duplicated: sum.duplicated + room.duplicated,
      orderViolations: sum.orderViolations + room.orderViolations,
    }),
    { acked: 0, lost: 0, duplicated: 0, orderViolations: 0 },
  )

/** Something was acknowledged, and every promise was kept. */
export const holds = ({ acked, lost, duplicated, orderViolations }: Verdict): boolean =>
  acked > 0 && lost === 0 && duplicated === 0 && orderViolations === 0

export const formatVerdict = ({ acked, lost, duplicated, orderViolations }: Verdict): string =>
  `acked ${acked}, lost ${lost}, duplicated ${duplicated}, order violations ${orderViolations}`
