/*
 * The one place that knows where uWebSockets.js comes from. The npm repack has named exports only, the official GitHub
 * release a default export too; both load through here.
 */
import type * as Uws from 'uWebSockets.js'
import type { TemplatedApp, us_listen_socket, WebSocket } from 'uWebSockets.js'
import { distrust, findUwsBinary } from './uws-binary.js'

export type {
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_listen_socket,
  us_socket_context_t,
  WebSocket,
} from 'uWebSockets.js'

/** What Weft uses of uWebSockets.js. */
export type UwsModule = Pick<typeof Uws, 'App' | 'SSLApp' | 'us_listen_socket_close' | 'us_socket_local_port'>

/** `LIBUS_LISTEN_EXCLUSIVE_PORT`: without it a second process silently shares the port. */
export const exclusivePort = 1

/** Every process that listens with this option on the port gets a share of the connections (SO_REUSEPORT). */
export const sharedPort = 0

/**
 * What the binaries have and the type declarations of 20.0.8 do not list.
 * `listen` with a host and options:
 */
export interface ListenWithOptions {
  listen(
    host: string,
    port: number,
    options: number,
    callback: (socket: us_listen_socket | false) => void,
  ): unknown
}

/** WebSocket messages in fragments. The results are those of `send`: 0 buffered, 1 sent, 2 dropped. */
export interface FragmentSender {
  sendFirstFragment(message: Uint8Array, isBinary?: boolean, compress?: boolean): number
  sendFragment(message: Uint8Array, compress?: boolean): number
  sendLastFragment(message: Uint8Array, compress?: boolean): number
}

/** A socket with what the declarations lack. */
export type FullWebSocket<T> = WebSocket<T> & FragmentSender

/** The declarations lack the fragment calls; every socket of the binaries has them. */
export const fullSocket = <T>(ws: WebSocket<T>): FullWebSocket<T> => ws as FullWebSocket<T>

/** The declarations lack the form of `listen` with options. */
export const listenOn = (
  app: TemplatedApp,
  host: string,
  port: number,
  options: number,
): Promise<us_listen_socket | false> =>
  new Promise((resolve) => {
    const full = app as unknown as ListenWithOptions
    full.listen(host, port, options, resolve)
  })

/**
 * Loads the native module.
 * @param sha256 the setting `UWS_SHA256`
 * @throws {Error} with one sentence when there is no binary for this Node or platform, or another than is trusted
 */
export const loadUws = async (sha256?: string): Promise<UwsModule> => {
  const binary = findUwsBinary()
  const reason = binary === null ? null : distrust(binary, sha256)
  if (reason !== null) throw new Error(reason)
  try {
    const loaded: typeof Uws & { default?: typeof Uws } = await import('uWebSockets.js')
    return loaded.default ?? loaded
  } catch (error) {
    throw new Error(
      `uWebSockets.js has no binary for Node ${process.versions.node} on ${process.platform} ${process.arch}: ` +
        'use Node 20 or 22, or install the official release (see "Where uWebSockets.js comes from" in the README)',
      { cause: error },
    )
  }
}
