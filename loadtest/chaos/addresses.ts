import { WebSocket } from 'ws'

/** An address of this machine for each client, so that a balancer can tell them apart. */
export const addressOf = (client: number): string =>
  `127.0.${1 + Math.floor(client / 250)}.${1 + (client % 250)}`

/** A WebSocket class whose connections come from an address of this machine. */
export const socketFrom = (address: string): new (url: string) => WebSocket =>
  class extends WebSocket {
    constructor(url: string) {
      super(url, { localAddress: address })
    }
  }
