/*
 * The uWS apps of a gateway: one, and after a change of the certificate also the earlier ones, which no longer listen, until
 * their last socket has gone. A topic is one app's: what is published goes to all of them.
 */
import type { SocketLimits } from './socket.js'
import type { TemplatedApp } from './uws.js'

/** An app with its sockets. They refer to it in the place of limits of their own. */
export interface Home extends SocketLimits {
  readonly app: TemplatedApp
  /** Sockets open or on their way. */
  sockets: number
}

export class Apps {
  private homes: Home[] = []

  /** Sockets come to this one from now on. Those of others stay where they are. */
  add(app: TemplatedApp, limits: Omit<SocketLimits, 'publishElsewhere'>): Home {
    const home: Home = { ...limits, app, sockets: 0, publishElsewhere: null }
    this.homes.push(home)
    this.connect()
    return home
  }

  /** Closes those without sockets, but for the newest. */
  prune(): void {
    const newest = this.homes.at(-1)
    const left = this.homes.filter((home) => home === newest || home.sockets > 0)
    if (left.length === this.homes.length) return
    for (const home of this.homes) if (!left.includes(home)) home.app.close()
    this.homes = left
    this.connect()
  }

  /** To everybody on the topic. */
  publish(topic: string, frame: Uint8Array): void {
    for (const { app } of this.homes) app.publish(topic, frame, true)
  }

  close(): void {
    for (const { app } of this.homes) app.close()
  }

  private connect(): void {
    for (const home of this.homes) {
      const others = this.homes.filter((other) => other !== home)
      home.publishElsewhere =
        others.length === 0
          ? null
          : (topic, frame) => {
              for (const { app } of others) app.publish(topic, frame, true)
            }
    }
  }
}
