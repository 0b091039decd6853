/* The application in a page: takes over what a server has rendered. */
import { startTransition } from 'react'
import { hydrateRoot } from 'react-dom/client'
import * as Y from 'yjs'
import { createClient } from '../../client.js'
import { App, reach, renders, type Hands, type Place, type Shown } from './app.js'

interface MountOptions {
  readonly url: string
  readonly place: Place
  readonly name: string
  /** What the server has rendered. */
  readonly html: string
}

const mount = ({ url, place, name, html }: MountOptions): void => {
  const client = createClient({
    url,
    timing: { retryBase: 50, retryMax: 200 },
    logger: { warn: () => undefined, error: () => undefined },
  })
  const root = document.createElement('main')
  root.innerHTML = html
  document.body.append(root)
  const hydrate = (): void => void hydrateRoot(root, <App client={client} first={place} name={name} />)
  // By then the client is about to connect, which the server's was not.
  if (client.status !== 'idle') hydrate()
  else {
    const off = client.on('status', () => {
      off()
      hydrate()
    })
  }
  const at = (): Hands => {
    if (reach.hands === null) throw new Error('the application is not in a room')
    return reach.hands
  }
  Object.assign(window, {
    app: {
      client,
      renders,
      go: (...to: string[]) => reach.go({ rooms: to }),
      goTo: (place: Place) => reach.go(place),
      boundTo: () => at().room.doc.guid,
      /** Renders rooms in a transition that never ends. */
      goAndHang: (...to: string[]) => startTransition(() => reach.go({ rooms: to, stuck: true })),
      show: (presence: Partial<Shown>) => at().show(presence),
      say: (text: string) => at().say({ text }),
      wave: (n: number) => at().wave(n),
      type: (text: string) => at().title.insert(0, text),
      add: (...texts: string[]) => at().items.push(texts.map((text) => new Y.Map([['text', text]]))),
      rename: (index: number, text: string) => at().items.get(index).set('text', text),
      option: (key: string, value: number) => at().options.set(key, value),
    },
  })
}

Object.assign(window, { mount })
