/* The playground: a shared text on a Weft server, and everything that tells how it fares. */
import { createClient, type Room, type WeftError } from '@weft/client'
import { createAnnouncer } from './announcer.js'
import { byId, setText } from './dom.js'
import { mountEditor, type Editor } from './editor.js'
import { createHeader } from './header.js'
import { createNotice } from './notice.js'
import { createPeopleList } from './people-list.js'
import { hues, personOf, presenceOf, settleHue, type Person, type Presence } from './people.js'
import { roomOf, tokenOf, urlOf } from './room-url.js'
import { createStatusBar } from './status-bar.js'
import { refusalText } from './status-text.js'
import { recall, remember } from './storage.js'
import { inventPersonName, inventRoomName } from './words.js'

type SharedRoom = Room<Presence>

const page = (): URL => new URL(location.href)

let token = tokenOf(page()) ?? recall('tab', 'token')
let name = recall('browser', 'name') ?? recall('tab', 'name') ?? inventPersonName()
// The invented name belongs to this tab: a second window is a second person.
remember('tab', 'name', name)
let hue = Math.floor(Math.random() * hues.length)

const client = createClient({
  url: location.origin,
  agent: 'weft-playground',
  auth: () => token,
})

let room: SharedRoom
let editor: Editor
let synced = false
let refusal: WeftError | null = null
let leaveRoom = (): void => undefined

const hint = byId('hint', HTMLElement)
const announce = createAnnouncer()
const people = createPeopleList((typed) => {
  name = typed
  remember('browser', 'name', name)
  showOwn()
})
const status = createStatusBar(
  { client, room: () => room, synced: () => synced, refused: () => refusal !== null },
  announce,
)
const notice = createNotice((pasted) => {
  token = pasted
  remember('tab', 'token', token)
  client.disconnect()
  client.connect()
})
const header = createHeader((next) => {
  history.pushState(null, '', urlOf(next, page()))
  enter(next)
})

const showOwn = (): void => {
  room.presence.set(presenceOf(name, hue))
  people.showOwn(name, hue)
}

const othersHere = (): Person[] =>
  room.presence.others.map(({ clientId, presence }) => personOf(clientId, presence))

const showOthers = (): void => {
  people.showOthers(othersHere())
  showHint()
}

const showHint = (): void => {
  hint.hidden = editor.text.length > 0 || refusal !== null
  const alone = room.presence.others.length === 0
  setText(byId('hint-title', HTMLElement), synced ? 'Write something' : 'Opening the room…')
  byId('hint-text', HTMLElement).hidden = !synced || !alone
}

const mayWrite = (): boolean => synced && room.access !== 'read'

const refresh = (): void => {
  if (refusal === null) notice.hide()
  else notice.refuse(refusalText(refusal.code, refusal.message, room.name))
  editor.setWritable(mayWrite())
  showHint()
  status.refresh()
}

/** Shows a room in place of the one before. The connection stays: one socket serves them all. */
const enter = (roomName: string): void => {
  const opened = openRoom(roomName)
  if (opened === null) return
  leaveRoom()
  room = opened
  synced = false
  refusal = client.connection.status === 'denied' ? client.connection.reason : null
  header.showRoom(roomName, urlOf(roomName, page()))
  showEditor()
  showOwn()
  showOthers()

  const subscriptions = [
    opened.on('status', (now) => {
      if (now === 'live') {
        refusal = null
        synced = true
      }
      refresh()
    }),
    opened.on('presence', () => {
      const settled = settleHue({ clientId: opened.doc.clientID, hue }, othersHere())
      if (settled !== hue) {
        hue = settled
        showOwn()
      }
      showOthers()
    }),
    opened.on('unsaved', () => status.refresh()),
    opened.on('error', (error) => {
      if (opened.status === 'denied') refusal = error
      refresh()
    }),
    opened.on('rejected', ({ message }) => {
      notice.tell('The server refused a change', `It is in this window only. ${message}`)
    }),
    opened.on('reset', ({ unsaved }) => {
      showEditor()
      refresh()
      const lost = unsaved.length === 0 ? '' : ` ${unsaved.length} of your changes had not been saved.`
      notice.tell('This room was deleted and made again', `It starts empty.${lost}`)
    }),
  ]
  leaveRoom = () => {
    for (const unsubscribe of subscriptions) unsubscribe()
    editor.destroy()
    opened.leave()
  }
  refresh()
}

const openRoom = (roomName: string): SharedRoom | null => {
  try {
    return client.room<Presence>(roomName)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    notice.tell('This is not a room name', message)
    return null
  }
}

const showEditor = (): void => {
  const host = byId('editor', HTMLElement)
  host.shadowRoot?.replaceChildren()
  editor = mountEditor(host, room.doc, room.awareness)
  editor.setWritable(mayWrite())
  editor.text.observe(showHint)
}

/** The room of the URL; the first visit gets a new one. */
const roomOfPage = (): string => {
  const named = roomOf(page())
  const chosen = named ?? inventRoomName()
  // Also takes a token out of the address bar, where it would be copied with the link.
  history.replaceState(null, '', urlOf(chosen, page()))
  return chosen
}

if (token !== null) remember('tab', 'token', token)
client.on('status', (info) => {
  refusal = info.status === 'denied' ? info.reason : refusal?.code === 'forbidden' ? refusal : null
  refresh()
})
client.on('latency', () => status.refresh())
window.addEventListener('popstate', () => enter(roomOfPage()))
window.addEventListener('beforeunload', (event) => {
  if (client.unsaved > 0) event.preventDefault()
})
enter(roomOfPage())
