/* People in rooms, with stock clients and with the SDK, and whom they see. */
import { createClient, type Client, type Room } from '@weft/client'
import WebSocket from 'ws'
import { WebsocketProvider } from 'y-websocket'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { until } from '../testing/index.js'

export interface Shown {
  readonly name: string
}

/** Somebody whose view of a room can be looked at. */
export interface Watcher {
  readonly awareness: Awareness
}

/** Those of one test, who all leave at its end. The SDK needs `WebSocket` as a global: see `vi.stubGlobal`. */
export class People {
  readonly clients: Client[] = []
  private readonly providers: WebsocketProvider[] = []

  /**
   * A stock client.
   * @param url of its node, `ws://...`
   * @param like who it is: with the same document and awareness, and so the same awareness id
   */
  stock(url: string, room: string, like?: WebsocketProvider): WebsocketProvider {
    const provider = new WebsocketProvider(`${url}/yjs`, room, like?.doc ?? new Y.Doc(), {
      WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
      disableBc: true,
      maxBackoffTime: 200,
      ...(like === undefined ? {} : { awareness: like.awareness }),
    })
    this.providers.push(provider)
    return provider
  }

  /** A client of the SDK, which has the room's state. */
  async sdk(url: string, name: string): Promise<Room<Shown>> {
    const client = createClient({ url, WebSocket, timing: { retryBase: 100, retryMax: 500 } })
    this.clients.push(client)
    const room = client.room<Shown>(name)
    await room.synced()
    return room
  }

  leave(): void {
    for (const provider of this.providers.splice(0)) {
      provider.destroy()
      provider.awareness.destroy()
    }
    for (const client of this.clients.splice(0)) client.close()
  }
}

/** Who is seen, oneself aside. */
const seen = ({ awareness }: Watcher): unknown[] =>
  [...awareness.getStates()]
    .filter(([id]) => id !== awareness.clientID)
    .map(([, state]) => state['name'] as unknown)
    .filter((name) => name !== undefined)
    .sort()

/** Waits until exactly these are seen. Names in order. */
export const sees = (watcher: Watcher, ...names: string[]): Promise<void> =>
  until(
    () => JSON.stringify(seen(watcher)) === JSON.stringify(names),
    `seeing ${names.join(', ') || 'nobody'}`,
    30_000,
  )

/** @returns how often that id was not seen when something changed */
export const watchFor = ({ awareness }: Watcher, id: number): (() => number) => {
  let missed = 0
  awareness.on('change', () => {
    if (!awareness.getStates().has(id)) missed++
  })
  return () => missed
}
