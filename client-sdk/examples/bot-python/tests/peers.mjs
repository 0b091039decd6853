/* The other clients of the Python bot's test, in one room: the TypeScript bot, an SDK client, a stock y-websocket client.
 * Commands come as lines on stdin (`edit`, `say`, `look`); each is answered by a line of JSON. */
import { createInterface } from 'node:readline'
import { createClient } from '@weft/client'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { Bot } from '../../bot-typescript/dist/bot.js'

const [url, name] = process.argv.slice(2)
const bot = new Bot({ url, room: name, random: () => Math.random() / 5 })
const events = []
bot.on('event', ({ seq, payload }) => events.push([seq, payload]))
bot.show({ name: 'typescript' })
const client = createClient({ url, timing: { retryBase: 100 } })
const room = client.room(name)
room.presence.set({ name: 'sdk' })
const stock = new WebsocketProvider(`${url}/yjs`, name, new Y.Doc(), {
  WebSocketPolyfill: WebSocket,
  disableBc: true,
  maxBackoffTime: 200,
})
stock.awareness.setLocalState({ name: 'stock' })
const docs = () => ({ typescript: bot.doc, sdk: room.doc, stock: stock.doc })
await Promise.all([
  new Promise((resolve) => bot.once('live', resolve)),
  room.synced(),
  new Promise((resolve) => stock.once('sync', resolve)),
])

const answer = (value) => console.log(JSON.stringify(value))
answer('ready')
let said = 0
for await (const command of createInterface({ input: process.stdin })) {
  if (command === 'edit') {
    for (const [who, doc] of Object.entries(docs())) doc.getText('text').insert(0, who[1])
    answer('edited')
  } else if (command === 'say') {
    bot.append('say', { from: 'typescript', i: said++ })
    answer('said')
  } else {
    const texts = Object.fromEntries(
      Object.entries(docs()).map(([who, doc]) => [who, doc.getText('text').toJSON()]),
    )
    answer({
      texts,
      events,
      here: [...bot.others.values()].map(({ state }) => state.name).sort(),
      unsaved: client.unsaved,
    })
  }
}
bot.close()
client.close()
stock.destroy()
