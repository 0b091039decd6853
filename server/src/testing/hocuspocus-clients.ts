/* Unmodified HocuspocusProviders for tests, with what they say of themselves. */
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import WebSocket from 'ws'
import type * as Y from 'yjs'
import { until } from './until.js'

export interface HocuspocusOptions {
  /** By default one of its own. */
  readonly socket?: HocuspocusProviderWebsocket
  readonly token?: string | (() => Promise<string>)
  readonly sessionAwareness?: boolean
}

/** A provider, with what it says of itself. */
export class HocuspocusClient {
  readonly denials: string[] = []
  readonly scopes: string[] = []
  readonly closes: string[] = []
  readonly stateless: string[] = []
  readonly counts: number[] = []
  readonly socket: HocuspocusProviderWebsocket
  readonly provider: HocuspocusProvider

  constructor(name: string, options: HocuspocusOptions & { readonly socket: HocuspocusProviderWebsocket }) {
    this.socket = options.socket
    this.provider = new HocuspocusProvider({
      name,
      websocketProvider: this.socket,
      token: options.token ?? '',
      sessionAwareness: options.sessionAwareness ?? false,
      onAuthenticated: ({ scope }) => void this.scopes.push(scope),
      onAuthenticationFailed: ({ reason }) => void this.denials.push(reason),
      onClose: ({ event }) => void this.closes.push(event.reason),
      onStateless: ({ payload }) => void this.stateless.push(payload),
      onUnsyncedChanges: ({ number }) => void this.counts.push(number),
    })
    this.provider.attach()
  }

  get text(): Y.Text {
    return this.provider.document.getText('text')
  }

  get content(): string {
    return this.text.toJSON()
  }

  get unsynced(): number {
    return this.provider.unsyncedChanges
  }

  type(text: string): void {
    this.text.insert(this.text.length, text)
  }

  async synced(): Promise<this> {
    await until(() => this.provider.isSynced, 'synced')
    return this
  }

  async saved(): Promise<void> {
    await until(() => this.unsynced === 0, 'nothing unsynced')
  }

  stateOf(other: HocuspocusClient): unknown {
    return this.provider.awareness?.getStates().get(other.provider.document.clientID)
  }
}

/** Those of one test, to one server. */
export class HocuspocusClients {
  private readonly url: string
  private readonly token: string
  private readonly sockets: HocuspocusProviderWebsocket[] = []
  private readonly clients: HocuspocusClient[] = []

  /** @param token what clients say that are given none */
  constructor(url: string, token = '') {
    this.url = url
    this.token = token
  }

  openSocket(): HocuspocusProviderWebsocket {
    const socket = new HocuspocusProviderWebsocket({
      url: this.url,
      WebSocketPolyfill: WebSocket,
      delay: 100,
      minDelay: 50,
      maxDelay: 200,
    })
    this.sockets.push(socket)
    return socket
  }

  open(name: string, options: HocuspocusOptions = {}): HocuspocusClient {
    const { socket = this.openSocket(), token = this.token } = options
    const client = new HocuspocusClient(name, { ...options, socket, token })
    this.clients.push(client)
    return client
  }

  destroy(): void {
    for (const { provider } of this.clients.splice(0)) provider.destroy()
    for (const socket of this.sockets.splice(0)) socket.destroy()
  }
}
