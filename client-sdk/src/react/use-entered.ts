/* Being in a room for as long as a component is mounted. */
import { useContext, useEffect, useState } from 'react'
import type { Client, Room } from '../types.js'
import { ClientContext, noClient } from './client.js'

interface Entered<R> {
  readonly client: Client
  readonly name: string
  readonly room: R
}

/**
 * Enters a room when the component is mounted, and leaves it when it goes or the name is another one.
 * @param name null for none
 * @param presence what this client shows from the start
 * @returns null until it is entered: on a server, and in the first moment in a browser
 */
export const useEntered = <P extends object, E extends object, B extends object>(
  name: string | null,
  presence: Readonly<Partial<P>> | undefined,
): Room<P, E, B> | null => {
  const client = useContext(ClientContext)
  if (client === null && name !== null) throw noClient()
  const [entered, setEntered] = useState<Entered<Room<P, E, B>> | null>(null)
  // In an effect: what is rendered and never mounted must not enter. A passive one: suspending below must not leave.
  useEffect(() => {
    if (client === null || name === null) return
    const room = client.room<P, E, B>(name)
    // What another component or this one has shown since stays.
    if (presence !== undefined) room.presence.set({ ...presence, ...room.presence.get() })
    setEntered({ client, name, room })
    return () => {
      // Whoever enters again in the same breath keeps the room and its document.
      setTimeout(() => room.leave())
    }
    // `presence` counts at the start only.
  }, [client, name])
  return entered?.client === client && entered.name === name ? entered.room : null
}
