/* The port as an operator knows it: free, or somebody's. */
import { exclusivePort, listenOn, loadUws } from './uws.js'

/** The error of a start that does not get its port. */
export const portTaken = (host: string, port: number): Error =>
  new Error(`PORT ${port} on HOST ${host} cannot be listened on: it is in use or not ours.`)

/**
 * Makes sure that nobody listens on a port that several processes are about to share: another program that shares it as well
 * would silently get some of the connections.
 * @param uwsSha256 see `loadUws`
 * @throws {Error} one sentence that names the setting
 */
export const checkPortIsFree = async (host: string, port: number, uwsSha256?: string): Promise<void> => {
  const uws = await loadUws(uwsSha256)
  const app = uws.App()
  const listener = await listenOn(app, host, port, exclusivePort)
  if (listener === false) throw portTaken(host, port)
  uws.us_listen_socket_close(listener)
  app.close()
}
