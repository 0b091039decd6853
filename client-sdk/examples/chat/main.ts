/* A chat on durable events: one order for all, each message once, nothing called sent before it is committed. */
import { createClient } from '@weft/client'
import { element, showHeader } from '../shared/header.js'
import { roomName, weftUrl } from '../shared/page.js'
import { somebody, type Person } from '../shared/person.js'
import '../shared/styles.css'
import './styles.css'
import { MessageList, type Message } from './message-list.js'

interface Events {
  message: Message
}

const pageSize = 50

const client = createClient({ url: weftUrl() })
const room = client.room<Person, Events>(roomName('chat'))
const me = somebody()
room.presence.set(me)
showHeader(client, room)

const list = new MessageList(element('messages'), element('log'))
room.events.on('message', ({ seq, payload, own }) => list.place(seq, payload, own))

/** Everything before this was not read yet; null: the newest. */
let before: number | null = null
let more = true
let reading = false

const readOlder = async (): Promise<void> => {
  if (!more || reading) return
  reading = true
  try {
    const page = await room.events.history({ limit: pageSize, ...(before === null ? {} : { before }) })
    list.keepScroll(() => {
      for (const { seq, payload, own } of page.events) list.place(seq, payload, own)
    })
    before = page.events[0]?.seq ?? before
    more = page.more
  } catch {
    // The connection is gone: asked again when it is back.
  } finally {
    reading = false
  }
}

room.on('synced', () => {
  if (before === null) void readOlder()
})
element('log').addEventListener('scroll', () => {
  if (element('log').scrollTop < 200) void readOlder()
})

const text = element('text') as HTMLInputElement
element('form').addEventListener('submit', (event) => {
  event.preventDefault()
  const message = { ...me, text: text.value.trim() }
  text.value = ''
  if (message.text === '') return
  const pending = list.pend(message)
  // Kept and sent again until the server has committed it, also after a time without a connection.
  room.events.append('message', message).then(
    ({ seq }) => {
      pending.remove()
      list.place(seq, message, true)
    },
    (error: unknown) => list.fail(pending, error instanceof Error ? error.message : String(error)),
  )
})

// The room was deleted and made again: its log begins anew.
room.on('reset', ({ reason }) => {
  if (reason !== 'recreated') return
  list.clear()
  before = null
  more = true
})
