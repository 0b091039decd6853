/* The counting alone: what was promised against what is there. */

/** One room, when all is over. An event is written `seq token`; a token is `author.number`, the numbers ascending. */
export interface RoomLog {
  readonly room: string
  /** Edits that were acknowledged, in the order of the acknowledgements. */
  readonly saved: readonly string[]
  /** The edits that a fresh client finds. */
  readonly found: readonly string[]
  /**
   * Events that were acknowledged, under the seqs that their authors were told, in any order: one cumulative ACK tells the seq of
   * its last change only, so an event before that may learn its own later.
   */
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
   * edits of one author acknowledged, and events of one author logged, in another order than they were made.
   */
  readonly orderViolations: number
  /** One sentence for each of them. */
  readonly findings: readonly string[]
}

const seqOf = (event: string): number => Number.parseInt(event, 10)

const tokenOf = (event: string): string => event.slice(event.indexOf(' ') + 1)

/** Those beyond the first of each. */
const repeats = (tokens: readonly string[]): string[] => {
  const seen = new Set<string>()
  return tokens.filter((token) => seen.size === seen.add(token).size)
}

/** Tokens whose number is not above all of their author's before them. */
const setBacks = (tokens: readonly string[]): string[] => {
  const highest = new Map<string, number>()
  return tokens.filter((token) => {
    const dot = token.lastIndexOf('.')
    const author = token.slice(0, dot)
    const number = Number(token.slice(dot + 1))
    const isBack = number < (highest.get(author) ?? -1)
    if (!isBack) highest.set(author, number)
    return isBack
  })
}

/** Events that come after a later one. */
const late = (heard: readonly string[]): string[] => {
  let highest = 0
  return heard.filter((event) => {
    const isLate = seqOf(event) < highest
    highest = Math.max(highest, seqOf(event))
    return isLate
  })
}

const judgeRoom = ({ room, saved, found, logged, log, heard }: RoomLog): Verdict => {
  const say = (what: string, of: readonly string[]): string[] => of.map((each) => `${room}: ${each} ${what}`)
  const foundTokens = new Set(found)
  const logTokens = log.map(tokenOf)
  const seqs = new Map(log.map((event) => [tokenOf(event), seqOf(event)]))
  const lost = [
    ...say(
      'was saved, and is not found',
      saved.filter((token) => !foundTokens.has(token)),
    ),
    ...say(
      'was logged, and is not in the log',
      logged.filter((event) => !seqs.has(tokenOf(event))),
    ),
  ]
  const duplicated = [
    ...say('is found twice', repeats(found)),
    ...say('is in the log twice', repeats(logTokens)),
    ...heard.flatMap((events) => say('was heard twice by one client', repeats(events.map(tokenOf)))),
  ]
  const misheard = heard.flatMap((events) => {
    const known = new Set(events)
    return [
      ...say('was heard late by one client', late(events)),
      ...say(
        'was not heard by one client',
        log.filter((event) => !known.has(event)),
      ),
    ]
  })
  const order = [
    ...misheard,
    ...say(
      'is what the author was told, and the log has it elsewhere',
      logged.filter((event) => (seqs.get(tokenOf(event)) ?? seqOf(event)) !== seqOf(event)),
    ),
    ...say('was saved after a later edit of its author', setBacks(saved)),
    ...say('is in the log after a later event of its author', setBacks(logTokens)),
  ]
  return {
    acked: saved.length + logged.length,
    lost: lost.length,
    duplicated: duplicated.length,
    orderViolations: order.length,
    findings: [...lost, ...duplicated, ...order],
  }
}

export const judge = (rooms: readonly RoomLog[]): Verdict =>
  rooms.map(judgeRoom).reduce(
    (sum, room) => ({
      acked: sum.acked + room.acked,
      lost: sum.lost + room.lost,
      duplicated: sum.duplicated + room.duplicated,
      orderViolations: sum.orderViolations + room.orderViolations,
      findings: [...sum.findings, ...room.findings],
    }),
    { acked: 0, lost: 0, duplicated: 0, orderViolations: 0, findings: [] },
  )

/** Something was acknowledged, and every promise was kept. */
export const holds = ({ acked, lost, duplicated, orderViolations }: Verdict): boolean =>
  acked > 0 && lost === 0 && duplicated === 0 && orderViolations === 0

export const formatVerdict = ({ acked, lost, duplicated, orderViolations }: Verdict): string =>
  `acked ${acked}, lost ${lost}, duplicated ${duplicated}, order violations ${orderViolations}`
