/*
 * A small scripted server behind a fake WebSocket: it speaks the real codec and keeps the rules that a client sees
 * (relay before commit, acks after, resume from the log, everything uncommitted lost in a crash). It commits when the
 * test says so.
 */
import {
  decodeClientFrame,
  defaultSessionLimits,
  encodeServerFrame,
  type Access,
  type ClientFrame,
  type JoinFrame,
  type ServerFrame,
  type SessionLimits,
} from '@weft/protocol'
import * as Y from 'yjs'
import type { WebSocketConstructor, WebSocketLike } from '../websocket.js'

interface Pending {
  readonly socket: FakeSocket
  readonly n: number
  readonly update: Uint8Array
}

interface FakeRoom {
  readonly number: number
  readonly name: string
  epoch: number
  log: Uint8Array[]
  pending: Pending[]
  /** Committed, and not acknowledged: something that they refer to is not committed (P22, P26). */
  waiting: { readonly socket: FakeSocket; readonly n: number; readonly seq: number }[]
  members: Set<FakeSocket>
}

/** A client's end and the server's end in one. */
export class FakeSocket implements WebSocketLike {
  binaryType = 'blob'
  bufferedAmount = 0
  onopen: ((event: never) => void) | null = null
  onmessage: ((event: never) => void) | null = null
  onclose: ((event: never) => void) | null = null
  onerror: ((event: never) => void) | null = null
  readonly server: FakeServer
  readonly url: string
  /** Every frame that the client sent. */
  readonly received: ClientFrame[] = []
  open = false
  gone = false
  closedByClient: { readonly code: number | undefined } | null = null
  /** The change that has to come next after a retryable refusal (P23), by room number. */
  readonly expected = new Map<number, number>()

  constructor(server: FakeServer, url: string) {
    this.server = server
    this.url = url
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    if (this.gone || !this.open) return
    const frame = decodeClientFrame(data.slice())
    if (frame.type === 'unknown') return
    this.received.push(frame)
    queueMicrotask(() => {
      if (!this.gone) this.server.take(this, frame)
    })
  }

  close(code?: number): void {
    this.closedByClient ??= { code }
    this.end()
  }

  /** The server's side: lets the client in. */
  accept(): void {
    this.open = true
    this.onopen?.({} as never)
  }

  /** The server's side: sends a frame. */
  deliver(frame: ServerFrame): void {
    const bytes = encodeServerFrame(frame)
    queueMicrotask(() => {
      if (!this.gone) this.onmessage?.({ data: bytes.slice().buffer } as never)
    })
  }

  /** The server's side, or the network's: ends the connection. */
  drop(code = 1006, reason = ''): void {
    if (this.gone) return
    this.end()
    this.onclose?.({ code, reason } as never)
  }

  /** Frames of one type that the client sent. */
  sent<T extends ClientFrame['type']>(type: T): Extract<ClientFrame, { type: T }>[] {
    return this.received.filter((frame): frame is Extract<ClientFrame, { type: T }> => frame.type === type)
  }

  private end(): void {
    this.gone = true
    this.open = false
    this.server.forget(this)
  }
}

export class FakeServer {
  readonly sockets: FakeSocket[] = []
  readonly rooms = new Map<string, FakeRoom>()
  /** Whether sockets open, HELLO is answered, and changes are committed at once. */
  autoAccept = true
  autoWelcome = true
  autoCommit = true
  heartbeat = 10_000
  access: Access = 'write'
  limits: SessionLimits = defaultSessionLimits
  /** Gives a code to refuse a change with, or null. */
  refuse: (n: number, update: Uint8Array) => string | null = () => null
  /** Forgets the log for resuming: joins are answered by `diff` or `full`. */
  resumes = true
  private epochs = 1

  /** The WebSocket class that connects here. */
  readonly WebSocket: WebSocketConstructor = ((server: FakeServer) =>
    class extends FakeSocket {
      constructor(url: string) {
        super(server, url)
        server.connect(this)
      }
    })(this)

  /** The newest socket. */
  get socket(): FakeSocket {
    const socket = this.sockets.at(-1)
    if (socket === undefined) throw new Error('nobody has connected')
    return socket
  }

  connect(socket: FakeSocket): void {
    this.sockets.push(socket)
    if (this.autoAccept) queueMicrotask(() => !socket.gone && socket.accept())
  }

  welcome(socket: FakeSocket): void {
    const { heartbeat, limits } = this
    socket.deliver({ type: 'welcome', version: 1, session: 's', node: 'n', user: null, heartbeat, limits })
  }

  room(name: string): FakeRoom {
    let room = this.rooms.get(name)
    if (room === undefined) {
      const epoch = this.epochs++
      room = {
        number: this.rooms.size + 1,
        name,
        epoch,
        log: [],
        pending: [],
        waiting: [],
        members: new Set(),
      }
      this.rooms.set(name, room)
    }
    return room
  }

  /** What is committed, as a document. */
  committed(name: string): Y.Doc {
    const doc = new Y.Doc()
    for (const update of this.room(name).log) Y.applyUpdate(doc, update)
    return doc
  }

  /** Writes as somebody else, committed. */
  write(name: string, change: (doc: Y.Doc) => void): void {
    const room = this.room(name)
    const doc = this.committed(name)
    doc.on('update', (update: Uint8Array) => {
      room.log.push(update)
      for (const member of room.members)
        member.deliver({ type: 'updates', room: room.number, updates: [update] })
      this.watermark(room)
    })
    change(doc)
  }

  /** Commits pending changes, oldest first, and acknowledges them. */
  commit(name: string, count = Infinity): void {
    const room = this.room(name)
    for (const { socket, n, update } of room.pending.splice(0, count)) {
      room.log.push(update)
      room.waiting.push({ socket, n, seq: room.log.length })
    }
    if (this.committed(name).store.pendingStructs === null) {
      for (const { socket, n, seq } of room.waiting.splice(0)) {
        if (!socket.gone) socket.deliver({ type: 'ack', room: room.number, n, seq })
      }
    }
    this.watermark(room)
  }

  /** Every connection is lost, and what was not committed with it. */
  crash(): void {
    for (const room of this.rooms.values()) {
      room.pending = []
      room.waiting = []
    }
    for (const socket of [...this.sockets]) socket.drop(1006)
  }

  /** The room is deleted, and made again by who joins next. */
  recreate(name: string): void {
    const room = this.room(name)
    room.epoch = this.epochs++
    room.log = []
    room.pending = []
    room.waiting = []
    for (const member of room.members)
      member.deliver({ type: 'left', room: room.number, code: 'internal', message: '' })
    room.members.clear()
  }

  forget(socket: FakeSocket): void {
    for (const room of this.rooms.values()) room.members.delete(socket)
  }

  take(socket: FakeSocket, frame: ClientFrame): void {
    switch (frame.type) {
      case 'hello':
        if (this.autoWelcome) this.welcome(socket)
        break
      case 'ping':
        socket.deliver({ type: 'pong', id: frame.id })
        break
      case 'join':
        this.join(socket, frame)
        break
      case 'leave': {
        const room = this.numbered(frame.room)
        if (!room?.members.delete(socket)) break
        socket.deliver({ type: 'left', room: frame.room, code: 'left', message: '' })
        break
      }
      case 'update':
        this.update(socket, frame.room, frame.n, frame.update.slice())
        break
      case 'presence': {
        const room = this.numbered(frame.room)
        for (const member of room?.members ?? []) {
          member.deliver({ type: 'presences', room: frame.room, awareness: frame.awareness.slice() })
        }
        break
      }
      case 'append':
      case 'broadcast':
      case 'auth':
      case 'pong':
        break
    }
  }

  private join(socket: FakeSocket, frame: JoinFrame): void {
    const room = this.room(frame.room)
    const { epoch, log } = room
    const head = log.length
    const { request, after, stateVector } = frame
    if (room.members.has(socket)) {
      socket.deliver({ type: 'error', request, code: 'already_joined', message: '', retryAfter: 0 })
      return
    }
    const resume = this.resumes && frame.epoch === epoch && after !== null && after <= head
    const mode = resume ? 'resume' : stateVector === null ? 'full' : 'diff'
    const doc = this.committed(frame.room)
    const vector = Y.encodeStateVector(doc)
    room.members.add(socket)
    const uncommitted = room.pending.map((pending) => pending.update)
    const events = resume ? log.slice(after) : log
    const whole =
      events.length + uncommitted.length === 0
        ? new Uint8Array(0)
        : Y.mergeUpdates([...events, ...uncommitted])
    const state =
      mode === 'diff' && stateVector !== null && whole.length > 0 ? Y.diffUpdate(whole, stateVector) : whole
    const number = room.number
    const { access } = this
    socket.deliver({ type: 'joined', request, room: number, epoch, head, access, mode, stateVector: vector })
    const half = Math.floor(state.length / 2)
    socket.deliver({ type: 'sync', room: number, part: 'more', data: state.slice(0, half) })
    socket.deliver({ type: 'sync', room: number, part: 'done', data: state.slice(half) })
  }

  private update(socket: FakeSocket, number: number, n: number, update: Uint8Array): void {
    const room = this.numbered(number)
    const nack = (code: string): void =>
      socket.deliver({ type: 'nack', room: number, n, code, message: code })
    if (!room?.members.has(socket)) {
      nack('not_joined')
      return
    }
    const expected = socket.expected.get(number)
    if (expected !== undefined && n !== expected) {
      nack('out_of_order')
      return
    }
    socket.expected.delete(number)
    const code = this.refuse(n, update)
    if (code !== null) {
      if (code === 'overloaded') socket.expected.set(number, n)
      nack(code)
      return
    }
    room.pending.push({ socket, n, update })
    for (const member of room.members) {
      if (member !== socket) member.deliver({ type: 'updates', room: number, updates: [update] })
    }
    if (this.autoCommit) this.commit(room.name)
  }

  private watermark(room: FakeRoom): void {
    for (const member of room.members)
      member.deliver({ type: 'watermark', room: room.number, seq: room.log.length })
  }

  private numbered(number: number): FakeRoom | undefined {
    return [...this.rooms.values()].find((room) => room.number === number)
  }
}
