/* Those who edit the room of an ordering test: SDK clients and protocol peers, each behind a proxy. */
import { createClient, type Room } from '@weft/client'
import type * as Y from 'yjs'
import type { Random } from '../testing/random.js'
import { TcpProxy } from '../testing/tcp-proxy.js'
import { WeftPeer } from '../testing/weft-peer.js'

/** A client of either kind, and the proxy between it and the server. */
export interface Editor {
  readonly label: string
  readonly proxy: TcpProxy
  readonly peer: WeftPeer | null
  readonly room: Room | null
  doc(): Y.Doc
  unsaved(): number
  live(): boolean
  close(): void
}

/** What an editor tells of itself. */
export interface EditorHost {
  readonly random: Random
  problem(line: string): void
  /** An SDK client has a further connection. */
  reconnected(): void
  /** A change of a peer is settled. @param seq null when an ACK of a later one says so */
  acked(label: string, n: number, seq: number | null): void
}

export const sdkEditor = async (
  port: number,
  name: string,
  label: string,
  host: EditorHost,
): Promise<Editor> => {
  const proxy = await TcpProxy.start(port)
  const client = createClient({
    url: `ws://127.0.0.1:${proxy.port}`,
    // A connection that goes deaf while it is made is given up soon.
    timing: { retryBase: 20, retryMax: 60, connectTimeout: 300, welcomeTimeout: 300 },
    // The delays of a refused join or change are fixed and long: a twentieth of them.
    random: () => host.random.next() / 20,
    logger: { warn: (text) => host.problem(text), error: (text) => host.problem(text) },
  })
  const room = client.room(name)
  let connections = 0
  client.on('status', ({ status }) => {
    if (status === 'connected' && ++connections > 1) host.reconnected()
  })
  room.on('rejected', ({ n, code }) => host.problem(`${label}: change ${n} was refused: ${code}`))
  return {
    label,
    proxy,
    peer: null,
    room,
    doc: () => room.doc,
    unsaved: () => room.unsaved,
    live: () => room.status === 'live',
    close: () => client.close(),
  }
}

export const peerEditor = async (
  port: number,
  name: string,
  label: string,
  host: EditorHost,
): Promise<Editor> => {
  const proxy = await TcpProxy.start(port)
  const peer = new WeftPeer({
    url: () => `ws://127.0.0.1:${proxy.port}`,
    room: name,
    retryDelay: () => 2 + host.random.below(20),
    acked: (n, seq) => host.acked(label, n, seq),
  })
  return {
    label,
    proxy,
    peer,
    room: null,
    doc: () => peer.doc,
    unsaved: () => peer.unsaved,
    live: () => peer.live,
    close: () => peer.close(),
  }
}
