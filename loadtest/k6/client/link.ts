/** What a link tells its member. Bytes hold only during the call. */
export interface LinkHandlers {
  /** The room's state is here. */
  synced(): void
  /** A Yjs update in `bytes[start..end)`. @param isLive whether it came by itself, and not in answer to a join */
  update(bytes: Uint8Array, start: number, end: number, isLive: boolean): void
  /** The typist's updates up to number `n` are committed (Weft protocol). */
  acked(n: number): void
  /** The server has these clocks of the typist's client: send what follows (y-websocket, where nothing is acknowledged). */
  asked(vector: ReadonlyMap<number, number>): void
  /** A y-protocols awareness update in `bytes[start..]`. */
  presence(bytes: Uint8Array): void
  /** The server refused something; the connection may live on. @param n the number of the update that it refused, or null */
  refused(code: string, n: number | null): void
  closed(code: number, reason: string): void
}

/** What a client keeps from one connection to the next. */
export interface Memory {
  /** 16 random bytes. */
  readonly clientId: Uint8Array
  epoch: number | null
  /** The seq to resume after. */
  after: number | null
}

export interface LinkOptions {
  /** Base address of the server. */
  readonly url: string
  readonly room: string
  readonly token: string | null
  readonly memory: Memory
  /** The clocks that are here, by client: a Yjs state vector. */
  readonly clocks: () => readonly (readonly [client: number, clock: number])[]
  /** Whether presence is to be read: that costs k6 more than all the rest. */
  readonly readsPresence: boolean
  readonly handlers: LinkHandlers
}

/** One connection of one client to one room. */
export interface Link {
  update(n: number, update: Uint8Array): void
  presence(awareness: Uint8Array): void
  /** Cuts the connection. Its handlers are not called any more. */
  close(): void
}
