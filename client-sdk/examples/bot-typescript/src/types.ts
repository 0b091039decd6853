/* What a program sees of the bot. */

export interface BotOptions {
  /** `ws://host:port`, without the path. */
  readonly url: string
  readonly room: string
  /** A token, or what brings one: asked at every connection. Default: none. */
  readonly token?: string | (() => Promise<string>)
  /** From 0 to below 1; for tests. Default: `Math.random`. */
  readonly random?: () => number
}

/** A durable message. */
export interface BotEvent {
  readonly seq: number
  /** The verified user who appended it; null for an anonymous one. */
  readonly author: string | null
  readonly name: string
  readonly payload: unknown
  /** Whether this bot has appended it. */
  readonly own: boolean
}

/** Which part of the log is wanted (P51). */
export interface HistoryQuery {
  /** Only what is newer than this seq: the first `limit` of those. */
  readonly after?: number
  /** Only what is older than this seq; without `after` the last `limit` of those. */
  readonly before?: number
  /** From 1 to 1,000. Default: 100. */
  readonly limit?: number
}

/** A part of the log, oldest first. */
export interface HistoryPage {
  readonly events: readonly BotEvent[]
  /** Whether there are more of those that were asked for. */
  readonly more: boolean
}

/** Somebody else in the room. */
export interface Other {
  /** The verified user (P58), whatever the state says; null for an anonymous one. */
  readonly user: string | null
  readonly state: unknown
}

export interface BotEvents {
  /** The room's state is here, changes flow. */
  live: []
  /** The connection is lost; the next attempt comes after `delay` milliseconds. */
  lost: [code: number, delay: number]
  /** Each durable message once, in the order of the room. */
  event: [BotEvent]
  /** `bot.others` has changed. */
  presence: []
  /** The room was deleted and made again (P20): `bot.doc` is a new document, what was unsaved is refused. */
  reset: []
  /** The bot has ended, and not by `close()`. */
  end: [Error]
}

/** A refusal, with its code of the protocol's table. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly code: string

  constructor(code: string, message: string) {
    super(`${code}: ${message}`)
    this.code = code
  }
}
