/*
 * The composition root: makes the parts, connects them, and takes them down in the right order.
 */
import { randomBytes } from 'node:crypto'
import { Authority, createAuthenticator, Revocations, type Authorize } from './auth/index.js'
import type { Bus } from './bus/index.js'
import { DocWorkers } from './compaction/index.js'
import { Control } from './control.js'
import { completeConfig, ConfigError, type Config } from './config.js'
import { Gateway, loadUws, type RoomChannel, type SessionContext } from './gateway/index.js'
import { openBus } from './open-bus.js'
import { openJournal } from './open-journal.js'
import { limitsOf, openLimits } from './open-limits.js'
import { openAuthorizer } from './open-authorizer.js'
import { createPlayground } from './playground/index.js'
import { DatabaseWatch, readinessOf, type Readiness } from './readiness.js'
import { BaseMemory, HistoryReads, RoomQuarantine, Rooms, Sweep, type RoomObserver } from './room/index.js'
import { atMost, Opened, Shutdown, ShutdownError } from './shutdown.js'
import { openStore, type Store } from './store/index.js'
import { FairShares, LoopTurns, TenantCounts, tenantSamples, verifyMs } from './tenants/index.js'
import { createLogger, Metrics, type Logger } from './telemetry/index.js'
import { checkTls, readRedisCa } from './tls.js'
import { TlsWatch } from './tls-watch.js'
import { watchNodes } from './watch-nodes.js'
import { RevocationWatch } from './watch-revocations.js'
import { messageOf } from './message-of.js'

/** A running server. */
export interface WeftServer {
  /** Where it listens, e.g. `http://127.0.0.1:4400`. */
  readonly url: string
  readonly port: number
  /** What can be done to rooms and users, in the whole cluster. */
  readonly control: Control
  /** Rooms open now. */
  readonly openRooms: number
  /** What `/metrics` answers, in the Prometheus text format. */
  metrics(): Promise<string>
  /** What `/readyz` answers. Resolves within about a second. */
  readiness(): Promise<Readiness>
  /**
   * Shuts down: readiness off, clients told to reconnect, the journal flushed and acknowledged.
   * @returns the changes that were not saved when the deadline passed; 0 when all is well
   * @throws {ShutdownError} at its end, when a step failed: the others ran all the same
   */
  close(): Promise<number>
}

/** Settings and, for programs that embed the server, parts of their own. */
export type ServerOptions = Partial<Config> & {
  readonly logger?: Logger
  /** Used instead of opening `databaseUrl` or `dataDir`. The server closes it, also when it cannot start. */
  readonly store?: Store
  /** This node's end of a bus to other nodes on the same database, in place of `redisUrl`. Closed like the store. */
  readonly bus?: Bus
  /**
   * Decides what a user may do in a room, in place of the token's `rooms`; for permissions that are kept elsewhere. It is asked
   * at every join, again after `authorizeReviewMs` and by `control.reauthorize`. When it throws, or does not answer within
   * `authorizeTimeoutMs`, nobody gets in. In place of `authorizeUrl`.
   */
  readonly authorize?: Authorize
  /** Which of the processes that share the port this is, from 1 (the default): for `weft_process_info`. */
  readonly processNumber?: number
}

/** Memory of what waits in one room for changes that never came, in bytes. */
const maxWaitingBytes = 16 * 1024 * 1024

/** Frames of full size whose bytes may wait on a node to be handled, of all clients whose token is known. */
const waitingFrames = 8

/** Milliseconds between two sweeps while the nodes hear each other. */
const sweepMs = 5_000

/** What each part gets to close when the journal has used up the shutdown's deadline, in milliseconds. */
const closeGraceMs = 250

/**
 * Starts a server.
 * @throws {ConfigError} for a wrong setting
 * @throws {StoreStartError} for a database that cannot be used
 */
export const createServer = async (options: ServerOptions = {}): Promise<WeftServer> => {
  const { logger, store: givenStore, bus, authorize, processNumber = 1, ...given } = options
  // A program that embeds the server goes on when it cannot start: no thread, no timer and no connection may stay behind.
  const opened = new Opened()
  if (givenStore !== undefined) opened.add('the store', () => givenStore.close())
  if (bus !== undefined) opened.add('the bus', () => bus.close())
  try {
    const config = completeConfig(given)
    const log = logger ?? createLogger(config.logLevel)
    return await start(config, log, opened, givenStore, bus, authorize, processNumber)
  } catch (error) {
    await opened.close(logger ?? createLogger('error'))
    throw error
  }
}

const start = async (
  config: Config,
  log: Logger,
  opened: Opened,
  givenStore: Store | undefined,
  givenBus: Bus | undefined,
  authorize: Authorize | undefined,
  processNumber: number,
): Promise<WeftServer> => {
  checkTls(config)
  const redisCa = readRedisCa(config)
  const uws = await loadUws(config.uwsSha256)
  const authenticator = await createAuthenticator(config).catch((error: unknown) => {
    throw new ConfigError(messageOf(error), { cause: error })
  })
  const revocations = new Revocations()
  const shares = new FairShares(config.tenantShare)
  const authorizer = openAuthorizer(config, authorize, shares, log)
  const loop = new LoopTurns(shares.limit(waitingFrames * config.maxFrameBytes))
  const auth = new Authority(authenticator, revocations, authorizer, () => loop.strangers.turn(verifyMs))
  if (auth.open) {
    log.warn(
      'no key is set, so everybody may do everything: the server listens on loopback only. Set JWT_SECRET, JWT_PUBLIC_KEY or JWT_JWKS_URL before others use it.',
    )
  }
  const store =
    givenStore ?? (await openStore({ databaseUrl: config.databaseUrl, dataDir: config.dataDir, logger: log }))
  if (givenStore === undefined) opened.add('the store', () => store.close())
  const node = randomBytes(6).toString('hex')
  let closing: Promise<number> | null = null
  const metrics: Metrics = new Metrics({
    connections: () => gateway.counts(),
    rooms: () => rooms.size,
    members: () => {
      let members = 0
      for (const room of rooms) members += room.memberCount
      return members
    },
    quarantinedRooms: () => quarantine.size,
    journal: () => ({ depth: journal.depth, bytes: journal.depthBytes }),
    busHealthy: () => bus.isHealthy,
    otherNodes: () => nodes.size,
    tenants: () => tenantSamples(tenants, rooms),
  })
  opened.add('the metrics', () => metrics.close())
  metrics.identify(node, processNumber)
  const fault = (message: string, error: unknown): void => log.error({ err: error }, message)
  const quarantine = new RoomQuarantine((room) =>
    log.error(
      room,
      'a room is set aside for a while: it costs too much, or fails. `weft room inspect` tells more',
    ),
  )
  const bus = givenBus ?? (await openBus(config, redisCa, store, node, metrics, log))
  if (givenBus === undefined) opened.add('the bus', () => bus.close())
  const limits = await openLimits(config, redisCa, store, metrics)
  opened.add('the limits', () => limits.close())
  const database = new DatabaseWatch(() => store.ping(), {
    away: (error) => log.warn({ err: error }, 'the database does not answer: nothing is saved until it does'),
    back: (awayMs) => log.info({ awayMs }, 'the database answers again'),
  })
  opened.add('the watch of the database', () => database.close())
  const tenants = new TenantCounts(config.metricsTenants)
  const { journal, asides } = openJournal({ config, store, shares, metrics, database, log, fault })
  opened.add('the journal', () => journal.close(0))
  const observer: RoomObserver = {
    updateIn: (bytes) => {
      metrics.updatesReceived++
      metrics.updateBytesReceived += bytes
    },
    relayed: (_updates, _receivers, waited) => {
      metrics.relays++
      metrics.relaySeconds.observe(waited)
    },
    acked: (seconds) => metrics.ackSeconds.observe(seconds),
    refused: (code) => metrics.error(code),
    repaired: (events) => {
      metrics.eventsRepaired += events
    },
    compacted: (seconds, bytes) => {
      metrics.compactionSeconds.observe(seconds)
      log.debug({ seconds, bytes }, 'a room was compacted')
    },
    fault,
  }
  const readiness = (): Promise<Readiness> =>
    readinessOf(database, config.redisUrl === undefined ? null : bus, closing !== null, quarantine.size)
  const playground = config.playground ? createPlayground() : null
  const gateway: Gateway = new Gateway(
    uws,
    config,
    loop,
    {
      published: (dialect, receivers, bytes, updates) => {
        metrics.deliveries[dialect] += receivers
        metrics.updatesDelivered[dialect] += updates * receivers
        metrics.bytesSent += bytes * receivers
      },
      received: (bytes) => {
        metrics.bytesReceived += bytes
      },
      fault,
    },
    {
      ready: () => readiness(),
      metrics: () => metrics.render(),
      page: (request) => playground?.(request) ?? null,
      fault: (error) => fault('answering a request failed', error),
    },
  )
  opened.add('the gateway', () => gateway.close())
  const workers = new DocWorkers({
    connection: store.connection,
    timeoutMs: config.workerTaskMs,
    ...(config.docWorkers === 0 ? { processes: config.processes } : { threads: config.docWorkers }),
    shares,
    onError: (error) => fault('a doc worker died', error),
  })
  opened.add('the doc workers', () => workers.close())
  const rooms: Rooms<RoomChannel> = new Rooms<RoomChannel>(
    {
      journal,
      bus,
      store,
      workers,
      quarantine,
      bases: new BaseMemory(config.maxBaseBytes),
      observer,
      options: {
        compactBytes: config.compactBytes,
        maxDocumentBytes: config.maxDocumentBytes,
        presenceEntriesPerConnection: config.maxPresenceEntries,
        holeGrace: 10,
        maxWaitingBytes: Math.min(config.journalMaxBytes, maxWaitingBytes),
        watermarkEvents: 256,
        watermarkInterval: 10_000,
        messageWatermarkInterval: 2_000,
      },
      loop,
      createOutput: (line) => gateway.createChannel(line),
      opened: () => sweep?.opened(),
      heard: (other) => nodes.heard(other),
      warn: (message, details) => log.warn(details, message),
      isLate: () => limits.isLate,
      limited: limits.reached,
    },
    {
      idleMs: config.roomIdleMs,
      concurrentOpens: 64,
      waitingOpens: 20_000,
      maxWaitMs: config.maxJoinWaitMs,
      maxOpen: config.maxOpenRooms,
      shares,
      counts: tenants,
    },
  )
  const nodes = watchNodes(bus, () => rooms, sweepMs, metrics, log)
  opened.add('the watch of the nodes', () => nodes.dispose())
  // The embedded store has one node: nobody else commits to it.
  const sweep =
    store.connection.kind === 'embedded' && bus.isAlone
      ? null
      : new Sweep({
          rooms,
          store,
          bus,
          interval: sweepMs,
          intervalAway: 500,
          afterOpening: 300,
          nodes,
          failed: (error) => {
            database.doubt()
            log.warn({ err: error }, 'the sweep failed; it is tried again')
          },
          swept: (_rooms, seconds) => {
            database.answered()
            metrics.sweepSeconds.observe(seconds)
          },
        })
  const leave = async (): Promise<void> => {
    try {
      await sweep?.dispose()
    } catch (error) {
      log.warn({ err: error }, 'the row of this node could not be removed: other nodes see it run out')
    }
  }
  opened.add('the sweep', leave)
  const control = new Control({ bus, store, gateway, rooms, revocations, authorizer })
  opened.add('the control', () => control.dispose())
  const revocationWatch = new RevocationWatch({
    store,
    bus,
    interval: sweepMs,
    intervalAway: 500,
    keepMs: config.revocationDays * 24 * 3_600_000,
    found: (revocation) => control.heard(revocation),
    forgotten: (before) => revocations.forgetBefore(before),
    failed: (error) => {
      database.doubt()
      log.warn({ err: error }, 'what was decided about users could not be read; it is tried again')
    },
  })
  opened.add('the watch of the revocations', () => revocationWatch.dispose())
  await revocationWatch.start()
  const context: SessionContext = {
    node,
    limits: limitsOf(config, authorizer !== null),
    auth,
    admission: limits.admission,
    loop,
    rooms,
    // The driver takes 20 ms for a MiB (I5), and a frame has its limit (P52).
    history: new HistoryReads(store, {
      pageBytes: Math.min(256 * 1024, config.maxFrameBytes - 64),
      concurrent: 2,
      waiting: shares.limit(1_000),
    }),
    observer: {
      error: (code) => metrics.error(code),
      limited: limits.reached,
      fault,
      behind: () => metrics.backpressure(),
      info: (message, details) => log.debug(details, message),
    },
  }
  // Who is let in has their room read by one of them.
  await workers.ready()
  const port = await gateway.listen(context)
  const tlsWatch = await TlsWatch.start(config, {
    changed: async () => {
      await gateway.renewCertificate()
      log.info('the certificate has changed: new connections get the new one')
    },
    refused: (error) =>
      log.error({ err: error }, 'the changed certificate cannot be used; connections get the one before'),
  })
  opened.add('the watch of the certificate', () => tlsWatch?.close())
  const scheme = config.tlsCertFile === undefined ? 'http' : 'https'
  const url = `${scheme}://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`
  log.info({ url, node, store: store.connection.kind }, `Weft listens on ${url}`)

  const close = async (): Promise<number> => {
    const deadline = performance.now() + config.shutdownTimeoutMs
    const shutdown = new Shutdown(log)
    const step = (name: string, run: () => unknown): Promise<unknown> => shutdown.step(name, run, undefined)
    // A database that does not answer holds up what talks to it: the deadline is for all of it.
    const inTime = (closed: Promise<void>): Promise<void> =>
      atMost(Math.max(closeGraceMs, deadline - performance.now()), closed)
    await step('telling the clients to reconnect', () => gateway.drain(config.drainMs))
    const unsaved = await shutdown.step(
      'flushing the journal',
      () => journal.close(config.shutdownTimeoutMs),
      journal.depth,
    )
    // Acks leave in the turn of their commit, or the next.
    await new Promise(setImmediate)
    await step('closing the connections', () => gateway.shutDown())
    if (unsaved > 0) {
      log.fatal(
        { unsaved },
        `the shutdown's deadline passed: ${unsaved} changes are not saved; their clients still hold them`,
      )
    }
    await step('stopping the watches', () => {
      tlsWatch?.close()
      limits.close()
      database.close()
      nodes.dispose()
      control.dispose()
      revocationWatch.dispose()
    })
    const left = leave()
    await step('closing the rooms', () => inTime(asides().then(() => rooms.close())))
    await step('withdrawing the presence', () => bus.announce({ kind: 'bye' }))
    await step('closing the bus', () => inTime(bus.close()))
    await step('closing the doc workers', () => inTime(workers.close()))
    await step('leaving the table of the nodes', () => inTime(left))
    await step('closing the store', () => inTime(store.close()))
    // Last: it cuts off clients that have not read their acks and the close yet.
    await step('closing the gateway', () => gateway.close())
    await step('closing the metrics', () => metrics.close())
    if (shutdown.failed.length > 0) throw new ShutdownError(shutdown.failed, unsaved)
    log.info('stopped')
    return unsaved
  }
  return {
    url,
    port,
    control,
    get openRooms() {
      return rooms.size
    },
    metrics: () => metrics.render(),
    readiness,
    close: () => (closing ??= close()),
  }
}
