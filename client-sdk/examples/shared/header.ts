/* The line on top of a page: who is here, and whether everything is saved. */
import type { Client, Room } from '@weft/client'

/** An element that the page has. */
export const element = (id: string): HTMLElement => {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found
}

/** Keeps `#status` and `#people` up to date. */
export const showHeader = <Presence extends object, Events extends object>(
  client: Client,
  room: Room<Presence, Events>,
): void => {
  const status = element('status')
  const people = element('people')
  const showStatus = (): void => {
    const unsaved = room.unsaved === 0 ? '' : `, ${room.unsaved} unsaved`
    const saved = room.unsaved === 0 ? 'Saved' : `Saving ${room.unsaved}`
    status.textContent = room.status === 'live' ? saved : `${client.status}${unsaved}`
    status.title = 'delay' in client.connection ? `next attempt after ${client.connection.delay} ms` : ''
    status.dataset['live'] = String(room.status === 'live')
  }
  client.on('status', showStatus)
  room.on('status', showStatus)
  room.on('unsaved', showStatus)
  showStatus()
  room.presence.subscribe(
    (others) => others.length,
    (count) => (people.textContent = count === 0 ? '' : `you and ${count} more`),
  )
}
