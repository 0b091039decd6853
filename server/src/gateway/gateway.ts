/*
 * The edge: one uWebSockets.js app with the WebSocket routes of all dialects and the HTTP routes. It turns sockets into
 * sessions and keeps the list of them.
 */
import type { Config } from '../config.js'
import { Apps, type Home } from './apps.js'
import { Connection, type Run } from './connection.js'
import { HocuspocusSession } from './hocuspocus-session.js'
import { registerHttp, type HttpHandlers } from './http.js'
import { addressOf, type Counted, type Refused } from '../limits/index.js'
import { isAllowedOrigin, isLoopbackHost } from './origins.js'
import { portTaken } from './port.js'
import { PublishTurns, RoomChannel, type ChannelObserver, type Dialect } from './channel.js'
import type { Session, SessionContext, UpgradeRequest } from './session.js'
import { Socket } from './socket.js'
import {
  exclusivePort,
  fullSocket,
  listenOn,
  sharedPort,
  type FullWebSocket,
  type HttpRequest,
  type HttpResponse,
  type us_listen_socket,
  type us_socket_context_t,
  type UwsModule,
} from './uws.js'
import type { LoopLine, LoopTurns } from '../tenants/index.js'
import { upgradeToken } from './upgrade-token.js'
import { WeftSession } from './weft-session.js'
import { YjsSession } from './yjs-session.js'

/** What uWS keeps for a socket: it copies the properties of the object that it is given. */
interface SocketData {
  readonly connection: Connection
}

export interface GatewayObserver extends ChannelObserver {
  received(bytes: number): void
  fault(message: string, error: unknown): void
}

/** Stock clients close when nothing arrives for 30 s; renewals and keep-alives come well within. */
const yjsKeepAliveMs = 14_000

/** How long the tick of many connections holds the event loop at a time, in milliseconds. */
const tickSliceMs = 2

export class Gateway {
  readonly turns = new PublishTurns()
  private readonly uws: UwsModule
  private readonly config: Config
  private readonly loop: LoopTurns
  private readonly http: HttpHandlers
  private readonly apps = new Apps()
  /** That of the app that listens. */
  private home: Home
  private readonly observer: GatewayObserver
  private readonly connections = new Set<Connection>()
  private readonly channels = new Set<RoomChannel>()
  private context: SessionContext | null = null
  private listener: us_listen_socket | null = null
  private ticker: NodeJS.Timeout | null = null
  /** The connections that the current tick has still to come to. */
  private round: Iterator<Connection> | null = null
  private nextChannel = 1
  private nextSession = 1
  private draining = false

  constructor(
    uws: UwsModule,
    config: Config,
    loop: LoopTurns,
    observer: GatewayObserver,
    http: HttpHandlers,
  ) {
    this.uws = uws
    this.config = config
    this.loop = loop
    this.observer = observer
    this.http = http
    this.home = this.createApp()
  }

  private createApp(): Home {
    const { tlsCertFile, tlsKeyFile, maxBackpressureBytes, allowedOrigins } = this.config
    const isSecure = tlsCertFile !== undefined && tlsKeyFile !== undefined
    const app = isSecure
      ? this.uws.SSLApp({ cert_file_name: tlsCertFile, key_file_name: tlsKeyFile })
      : this.uws.App()
    const home = this.apps.add(app, {
      paceBytes: Math.min(128 * 1024, maxBackpressureBytes / 2),
      queuedBytes: maxBackpressureBytes,
      transfers: this.loop.transfers,
    })
    this.webSocket(home, '/v1/connect', 'weft')
    this.webSocket(home, '/yjs/*', 'yjs')
    this.webSocket(home, '/hocuspocus', 'hocuspocus')
    registerHttp(app, this.http, {
      isSecure,
      allows: (origin) => isAllowedOrigin(origin, allowedOrigins, this.context?.auth.open ?? true),
      lists: (origin) => allowedOrigins.includes(origin),
    })
    return home
  }

  /** Connections by dialect. */
  counts(): Record<Dialect, number> {
    const counts = { weft: 0, yjs: 0, hocuspocus: 0 }
    for (const { dialect } of this.connections) counts[dialect]++
    return counts
  }

  /** The output of a room that is being opened. */
  createChannel(loop: LoopLine): RoomChannel {
    const channel = new RoomChannel(this.nextChannel++, this.apps, this.turns, this.observer, loop, () =>
      this.channels.delete(channel),
    )
    this.channels.add(channel)
    return channel
  }

  /** Starts to listen. @returns the port. @throws {Error} when the address is taken or not this machine's */
  async listen(context: SessionContext): Promise<number> {
    this.context = context
    const { host, port } = this.config
    const listener = await this.listenAt(port)
    if (listener === false) throw portTaken(host, port)
    this.listener = listener
    this.ticker = setInterval(() => this.tick(), 1_000)
    return this.uws.us_socket_local_port(listener)
  }

  private listenAt(port: number): Promise<us_listen_socket | false> {
    const { host, processes } = this.config
    return listenOn(this.home.app, host, port, processes > 1 ? sharedPort : exclusivePort)
  }

  /**
   * Shows new connections the certificate that is in the files now, which have been checked. Open ones stay as they are. uWS reads a
   * certificate once for each app, so that this is another app on the same port.
   * @throws {Error} when nothing listens any more: call it again
   */
  async renewCertificate(): Promise<void> {
    if (this.isDraining()) return
    const port = this.listener === null ? this.config.port : this.uws.us_socket_local_port(this.listener)
    this.home = this.createApp()
    this.stopListening()
    const listener = await this.listenAt(port)
    if (listener === false) throw portTaken(this.config.host, port)
    this.listener = listener
    if (this.isDraining()) this.stopListening()
  }

  /**
   * Tells every client to come back after a delay spread over `spreadMs`, and takes no new ones, and no new changes. Those
   * that wait for acks stay connected until `shutDown`.
   */
  drain(spreadMs: number): void {
    this.draining = true
    this.stopListening()
    const connections = [...this.connections]
    for (const [index, { session }] of connections.entries()) {
      session?.drain(Math.round((spreadMs * (index + 1)) / connections.length))
    }
  }

  /** The connections of a user, to all rooms. */
  *sessionsOf(tenant: string, user: string): Iterable<Session> {
    for (const { session } of [...this.connections]) {
      const identity = session?.identity ?? null
      if (session !== null && identity?.user === user && identity.tenant === tenant) yield session
    }
  }

  /** Closes what `drain` left open, with the code that says why. */
  shutDown(): void {
    for (const { session } of [...this.connections]) session?.shutDown()
  }

  /** Closes everything at once. */
  close(): void {
    this.stopListening()
    if (this.ticker !== null) clearInterval(this.ticker)
    this.round = null
    this.apps.close()
  }

  private isDraining(): boolean {
    return this.draining
  }

  private stopListening(): void {
    if (this.listener !== null) this.uws.us_listen_socket_close(this.listener)
    this.listener = null
  }

  private tick(): void {
    // One that is not through yet goes on.
    if (this.round === null) {
      this.round = this.connections.values()
      this.tickSome()
    }
    for (const channel of this.channels) channel.keepAlive(yjsKeepAliveMs)
    this.apps.prune()
  }

  /**
   * To end a connection takes some 50 µs, and thousands may be due at once (sockets that never said HELLO): in one turn they would
   * hold up everybody else.
   */
  private tickSome(): void {
    const start = performance.now()
    const { round } = this
    if (round === null) return
    for (let next = round.next(); next.done !== true; next = round.next()) {
      try {
        next.value.session?.tick(start)
      } catch (error) {
        this.connectionFailed(error)
      }
      if (performance.now() - start < tickSliceMs) continue
      setImmediate(() => this.tickSome())
      return
    }
    this.round = null
  }

  private webSocket(home: Home, pattern: string, dialect: Dialect): void {
    home.app.ws<SocketData>(pattern, {
      // No permessage-deflate: a few bytes could become gigabytes here, and each socket would take a window more.
      compression: 0,
      // Beyond it uWS ends the connection without a word. Up to there the session can say why (P5).
      maxPayloadLength: 2 * this.config.maxFrameBytes,
      maxBackpressure: this.config.maxBackpressureBytes,
      closeOnBackpressureLimit: false,
      // Pings of the WebSocket itself find half-open sockets, whatever the dialect's own heartbeat is.
      idleTimeout: 60,
      sendPingsAutomatically: true,
      upgrade: (res, req, context) =>
        this.guard(() => {
          try {
            this.upgrade(res, req, context, dialect)
          } catch (error) {
            // A request that is left without an answer would end the process as well.
            res.close()
            throw error
          }
        }),
      open: (ws) => {
        home.sockets++
        this.guard(() => this.opened(fullSocket(ws), home))
      },
      message: (ws, message, isBinary) => {
        const { session } = ws.getUserData().connection
        if (session === null) return
        this.observer.received(message.byteLength)
        try {
          // uWS takes the buffer back after this call.
          if (isBinary) session.message(copy(message))
          else session.textMessage()
        } catch (error) {
          this.connectionFailed(error)
        }
      },
      // uWS answers them by itself.
      ping: (ws) => this.guard(() => ws.getUserData().connection.session?.pinged()),
      dropped: (ws) => ws.getUserData().connection.socket?.noteDrop(),
      drain: (ws) => this.guard(() => ws.getUserData().connection.socket?.drained()),
      close: (ws) => {
        home.sockets--
        const { connection } = ws.getUserData()
        if (this.connections.delete(connection)) this.context?.admission.release(connection.address)
        this.guard(() => connection.session?.closed())
        connection.session = null
      },
    })
  }

  private upgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t, dialect: Dialect): void {
    const origin = req.getHeader('origin')
    // Known since `listen`: before it nothing connects.
    const open = this.context?.auth.open ?? true
    if (open && !isLoopbackHost(req.getHeader('host'))) {
      res.writeStatus('403 Forbidden').end('Without a key the server answers to localhost only.')
      return
    }
    // Only browsers send one.
    if (origin !== '' && !isAllowedOrigin(origin, this.config.allowedOrigins, open)) {
      res.writeStatus('403 Forbidden').end('The origin is not one of ALLOWED_ORIGINS.')
      return
    }
    if (this.draining) {
      res
        .writeStatus('503 Service Unavailable')
        .writeHeader('Retry-After', '1')
        .end('The node is shutting down.')
      return
    }
    const { token, protocol } = upgradeToken(
      req.getHeader('authorization'),
      req.getHeader('sec-websocket-protocol'),
    )
    if (protocol === null) {
      res.writeStatus('400 Bad Request').end('Offer another subprotocol, such as weft, beside the token.')
      return
    }
    const address = this.admit(res, req)
    if (address !== null && 'limit' in address) {
      res
        .writeStatus(address.status)
        .writeHeader('Retry-After', String(address.retryAfterSeconds))
        .end(address.message)
      return
    }
    const request: UpgradeRequest =
      dialect === 'yjs'
        ? { path: req.getUrl().slice('/yjs/'.length), token: token ?? req.getQuery('token') ?? null }
        : { path: '', token }
    const data: SocketData = { connection: new Connection(dialect, address, request, this.guard) }
    try {
      res.upgrade(
        data,
        req.getHeader('sec-websocket-key'),
        protocol,
        req.getHeader('sec-websocket-extensions'),
        context,
      )
    } catch (error) {
      if (!this.connections.has(data.connection)) this.context?.admission.release(address)
      throw error
    }
  }

  /** Every limit on connections that needs no token. */
  private admit(res: HttpResponse, req: HttpRequest): Counted | null | Refused {
    const { context } = this
    if (context === null) return null
    const { addresses } = context.admission
    const peer = addressOf(new Uint8Array(res.getRemoteAddress()))
    let forwarded = ''
    if (addresses.isTrusted(peer)) {
      // HAProxy adds a header of its own instead of going on in the client's: `getHeader` would give the client's alone.
      req.forEach((name, value) => {
        if (name === 'x-forwarded-for') forwarded += forwarded === '' ? value : `,${value}`
      })
    }
    return context.admission.admit(addresses.keyOf(peer, forwarded), this.connections.size)
  }

  private opened(ws: FullWebSocket<SocketData>, home: Home): void {
    const { connection } = ws.getUserData()
    const { context } = this
    if (context === null || this.draining) {
      context?.admission.release(connection.address)
      ws.end(4501, 'the node is shutting down')
      return
    }
    const id = `${context.node}-${this.nextSession++}`
    const { request, dialect } = connection
    // Stock clients get large updates as messages in fragments, between which nothing may go.
    const socket = new Socket(ws, home, dialect === 'weft', connection)
    connection.socket = socket
    connection.request = null
    this.connections.add(connection)
    if (request === null) return
    if (dialect === 'yjs') connection.session = new YjsSession(id, socket, context, request)
    else if (dialect === 'weft') connection.session = new WeftSession(id, socket, context, request.token)
    else connection.session = new HocuspocusSession(id, socket, context, request.token)
  }

  /** No exception may reach uWS: it would end the process (I7). */
  private readonly guard: Run = (run) => {
    try {
      run()
    } catch (error) {
      this.connectionFailed(error)
    }
  }

  private connectionFailed(error: unknown): void {
    this.observer.fault('a connection failed', error)
  }
}

/** Small messages come from Node's pool: cheaper than a buffer of their own. */
const copy = (message: ArrayBuffer): Uint8Array => {
  const bytes = Buffer.allocUnsafe(message.byteLength)
  bytes.set(new Uint8Array(message))
  return bytes
}
