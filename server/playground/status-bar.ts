/* The status bar: connection, saved or not, latency, and the button that cuts the connection. */
import type { Access, Client, Room } from '@weft/client'
import { byId, setText } from './dom.js'
import { connectionLine, latencyText, savedLine, savingGraceMs, type Line } from './status-text.js'

/** What the status bar needs to know of the page. */
export interface StatusSource {
  readonly client: Client
  /** The room that is shown. */
  readonly room: () => Pick<Room, 'name' | 'status' | 'unsaved' | 'access'>
  readonly synced: () => boolean
  readonly refused: () => boolean
}

/** The status bar. */
export interface StatusBar {
  /** To be called when anything of the source may have changed. */
  refresh(): void
}

/** "All changes saved" is said only once it has stayed true for so long: no flicker while somebody types. */
const calmMs = 150

/** @param announce tells a screen reader */
export const createStatusBar = (source: StatusSource, announce: (message: string) => void): StatusBar => {
  const connection = byId('connection', HTMLElement)
  const saved = byId('saved', HTMLElement)
  const latency = byId('latency', HTMLElement)
  const cut = byId('cut', HTMLButtonElement)
  let unsavedSince: number | null = null
  let savedSince = 0
  let announced = ''
  let timer: ReturnType<typeof setTimeout> | undefined

  const show = (element: HTMLElement, { tone, text }: Line): void => {
    element.dataset['tone'] = tone
    const label = element.querySelector('span')
    if (label !== null) setText(label, text)
  }

  const refresh = (): void => {
    const now = performance.now()
    const { status, unsaved, access } = source.room()
    if (unsaved > 0) {
      unsavedSince ??= now
      savedSince = now
    } else if (now - savedSince >= calmMs) unsavedSince = null

    const calm = unsaved > 0 || unsavedSince === null
    const unsavedFor = unsavedSince === null ? 0 : now - unsavedSince
    const savedNow: Line = calm ? savedText(unsaved, unsavedFor, access) : { tone: 'wait', text: 'Saving' }
    const connected = connectionLine(source.client.connection, status)
    show(connection, connected)
    show(saved, savedNow)
    setText(latency, source.client.status === 'connected' ? latencyText(source.client.latency) : '')
    showButton(source.client.status === 'idle')
    document.title = `${unsaved > 0 ? '• ' : ''}${source.room().name} – Weft`
    tell(`${connected.text}. ${savedNow.text}.`)

    clearTimeout(timer)
    // The lines change with time alone: when saving lasts, and when it has been over for a moment.
    if (!calm) timer = setTimeout(refresh, calmMs)
    else if (unsaved > 0 && unsavedFor < savingGraceMs)
      timer = setTimeout(refresh, savingGraceMs - unsavedFor + 1)
  }

  const savedText = (unsaved: number, unsavedFor: number, access: Access | null): Line =>
    savedLine({ unsaved, unsavedFor, access, synced: source.synced(), refused: source.refused() })

  const showButton = (isCut: boolean): void => {
    cut.classList.toggle('second', isCut)
    cut.classList.toggle('primary', isCut)
  }

  const tell = (message: string): void => {
    // Every keystroke goes through "Saving": only what lasts is worth a word.
    if (message === announced || message.includes('Saving')) return
    announced = message
    announce(message)
  }

  cut.addEventListener('click', () => {
    if (source.client.status === 'idle') source.client.connect()
    else source.client.disconnect()
  })
  return { refresh }
}
