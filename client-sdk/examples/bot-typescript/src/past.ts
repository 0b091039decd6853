/* The room's past, page after page. */
import { isRetryable } from '@weft/protocol'
import type { Bot } from './bot.js'
import { Refused, type BotEvent, type HistoryPage, type HistoryQuery } from './types.js'

/** Milliseconds between two attempts to read what cannot be read now. */
const pause = 500

/** The most that a server gives at once. */
const pageSize = 1000

/**
 * Every durable message from before the bot came (see {@link Bot.start}), oldest first. What comes meanwhile comes as `event`:
 * together they are the whole log, each message once. A lost connection makes it wait.
 */
export async function* past(bot: Bot): AsyncGenerator<BotEvent> {
  for (let after = 0, more = true; more;) {
    const page = await ask(bot, { after, before: bot.start, limit: pageSize })
    yield* page.events
    after = page.events.at(-1)?.seq ?? after
    more = page.more
  }
}

const ask = async (bot: Bot, query: HistoryQuery): Promise<HistoryPage> => {
  for (;;) {
    await bot.live()
    try {
      return await bot.history(query)
    } catch (error) {
      // The membership has ended (P50), or the server cannot read it now.
      const passing = error instanceof Refused && (error.code === 'not_joined' || isRetryable(error.code))
      if (!passing) throw error
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }
}
