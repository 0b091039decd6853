/* The client that the components below a provider use, and its connection. */
import { createContext, useCallback, useContext, useSyncExternalStore, type ReactNode } from 'react'
import type { Client, ConnectionInfo } from '../types.js'

/** The client of the nearest {@link WeftProvider}. */
export const ClientContext = createContext<Client | null>(null)

/** Props of {@link WeftProvider}. */
export interface WeftProviderProps {
  /** Made once, outside of any component. It is not closed when the provider goes. */
  readonly client: Client
  readonly children?: ReactNode
}

/** Gives a client to everything below. */
export const WeftProvider = ({ client, children }: WeftProviderProps): ReactNode => (
  <ClientContext.Provider value={client}>{children}</ClientContext.Provider>
)

/**
 * The client of the nearest {@link WeftProvider}.
 * @throws {Error} outside of one
 */
export const useClient = (): Client => {
  const client = useContext(ClientContext)
  if (client === null) throw noClient()
  return client
}

export const noClient = (): Error => new Error('weft: this component needs a <WeftProvider> above it')

/** What is rendered on a server, and again where its HTML is taken over: there the client may have connected by then. */
const atFirst: ConnectionInfo = { status: 'idle' }
const getAtFirst = (): ConnectionInfo => atFirst

/** What the connection is doing; with `reconnecting` and `denied`, why. */
export const useConnection = (): ConnectionInfo => {
  const client = useClient()
  const subscribe = useCallback((changed: () => void) => client.on('status', changed), [client])
  const get = useCallback(() => client.connection, [client])
  return useSyncExternalStore(subscribe, get, getAtFirst)
}
