/** Settings of a server that is ended and started again all the time: it waits for nobody, and compacts early. */
export const shortLived = {
  port: 0,
  playground: false,
  docWorkers: 1,
  shutdownTimeoutMs: 100,
  drainMs: 0,
  roomIdleMs: 20,
  compactBytes: 1_024,
} as const
