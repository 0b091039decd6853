/* The header: which room this is, going to another one, and the link to this one. */
import { byId, make } from './dom.js'
import { recall, remember } from './storage.js'
import { inventRoomName } from './words.js'

const recentRooms = 8
const copiedMs = 1_600

/** The header. */
export interface Header {
  showRoom(name: string, link: string): void
}

const recent = (): string[] => {
  try {
    const parsed: unknown = JSON.parse(recall('browser', 'rooms') ?? '[]')
    return Array.isArray(parsed) ? parsed.filter((name) => typeof name === 'string') : []
  } catch {
    // Somebody else wrote there.
    return []
  }
}

/** @param go called with the room that somebody wants to see */
export const createHeader = (go: (room: string) => void): Header => {
  const form = byId('room-form', HTMLFormElement)
  const input = byId('room', HTMLInputElement)
  const rooms = byId('rooms', HTMLDataListElement)
  const copy = byId('copy', HTMLButtonElement)
  const second = byId('second', HTMLAnchorElement)
  let room = ''
  let link = ''
  let timer: ReturnType<typeof setTimeout> | undefined

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const wanted = input.value.trim()
    if (wanted === '' || wanted === room) input.value = room
    else go(wanted)
    input.blur()
  })
  input.addEventListener('focus', () => input.select())
  input.addEventListener('blur', () => {
    input.value = room
  })
  byId('new-room', HTMLButtonElement).addEventListener('click', () => go(inventRoomName()))

  copy.addEventListener('click', () => {
    void copyText(link).then((copied) => {
      copy.classList.toggle('second', copied)
      clearTimeout(timer)
      timer = setTimeout(() => copy.classList.remove('second'), copiedMs)
    })
  })

  return {
    showRoom(name, url) {
      room = name
      link = url
      input.value = name
      second.href = url
      const names = [name, ...recent().filter((other) => other !== name)].slice(0, recentRooms)
      remember('browser', 'rooms', JSON.stringify(names))
      rooms.replaceChildren(
        ...names.map((value) => {
          const option = make('option')
          option.value = value
          return option
        }),
      )
    },
  }
}

/** @returns false when the browser does not allow it: the link stands selected in a prompt then */
const copyText = async (text: string): Promise<boolean> => {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    // Not a secure context, or no permission.
    window.prompt('The link of this room', text)
    return false
  }
}
