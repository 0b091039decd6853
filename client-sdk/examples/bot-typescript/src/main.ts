/* The bot's command line. */
import { parseArgs } from 'node:util'
import { Bot, type BotEvent, type Other } from './bot.js'
import { past } from './past.js'

const usage = `weft-bot: a Weft client without the SDK

  --url ws://127.0.0.1:4400   the server
  --room bots                 the room
  --token TOKEN               where the server asks for one
  --name bot                  what the bot shows as its presence
  --write TEXT                adds a line to the document's text "text"
  --say TEXT                  appends the message "say" to the room's log
  --follow                    prints the room's log from its beginning, stays, and prints what happens
`

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: 'ws://127.0.0.1:4400' },
    room: { type: 'string', default: 'bots' },
    token: { type: 'string' },
    name: { type: 'string', default: 'bot' },
    write: { type: 'string' },
    say: { type: 'string' },
    follow: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const print = (line: string): void => void process.stdout.write(`${line}\n`)

/** Who somebody really is, and what they say of themselves. */
const described = ({ user, state }: Other): string => `${user ?? 'somebody'} ${JSON.stringify(state)}`

const run = async (): Promise<void> => {
  const { url, room, token, name, write, say, follow } = values
  const bot = new Bot({ url, room, ...(token === undefined ? {} : { token }) })
  bot.on('end', (error) => {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  })
  bot.on('lost', (code, delay) => print(`lost the connection (${code}); again in ${Math.round(delay)} ms`))
  const tell = ({ seq, author, name: what, payload }: BotEvent): void =>
    print(`#${seq} ${author ?? 'somebody'}: ${what} ${JSON.stringify(payload)}`)
  // What comes while the past is read is told after it.
  let waiting: BotEvent[] | null = follow ? [] : null
  bot.on('event', (event) => (waiting === null ? tell(event) : waiting.push(event)))
  bot.on('live', () => print(`in ${room}: ${bot.doc.getText('text').length} characters`))
  bot.show({ name })
  await bot.live()
  if (follow) {
    bot.doc.on('update', () => print(`document: ${JSON.stringify(bot.doc.getText('text').toJSON())}`))
    bot.on('presence', () => print(`here: ${[...bot.others.values()].map(described).join(', ')}`))
    for await (const event of past(bot)) tell(event)
    waiting?.forEach(tell)
    waiting = null
  }
  if (write !== undefined) {
    await bot.edit((doc) => doc.getText('text').insert(doc.getText('text').length, `${write}\n`))
    print('saved')
  }
  if (say !== undefined) print(`committed as #${await bot.append('say', { text: say })}`)
  if (follow) process.once('SIGINT', () => bot.close())
  else bot.close()
}

if (values.help) print(usage)
else await run().catch(() => undefined)
