/*
 * A small scripted server behind a fake WebSocket: it speaks the real codec and keeps the rules that a client sees
 * (relay before commit, acks after, resume from the log, everything uncommitted lost in a crash). It commits when the
 * test says so.
 */
import {
  defaultSessionLimits,
  type Access,
  type AppendFrame,
  type ClientFrame,
  type HistoryFrame,
  type JoinFrame,
  type SessionLimits,
} from '@weft/protocol'
import * as Y from 'yjs'
import type { WebSocketConstructor } from '../websocket.js'
import { seqOf, updatesOf, type FakeRoom, type Message, type Pending } from './fake-room.js'
import { FakeSocket } from './fake-socket.js'

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
  /** Acknowledges a batch by its last change only, as a server may (P22). */
  cumulative = false
  /** Keeps EVENT frames to itself. */
  silent = false
  /** Forgets the log for resuming: joins are answered by `diff` or `full`. */
  resumes = true
  /** Messages that were sent again and known. */
  recognised = 0
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
    for (const update of updatesOf(this.room(name).log)) Y.applyUpdate(doc, update)
    return doc
  }

  /** Writes as somebody else, committed. */
  write(name: string, change: (doc: Y.Doc) => void): void {
    const room = this.room(name)
    const doc = this.committed(name)
    doc.on('update', (update: Uint8Array) => {
      room.log.push({ update })
      for (const member of room.members)
        member.deliver({ type: 'updates', room: room.number, updates: [update] })
      this.watermark(room)
    })
    change(doc)
  }

  /** Commits pending changes, oldest first, and acknowledges them. */
  commit(name: string, count = Infinity): void {
    const room = this.room(name)
    for (const change of room.pending.splice(0, count)) {
      const { socket, n } = change
      if (change.seed === true && updatesOf(room.log).length > 0) {
        socket.deliver({ type: 'nack', room: room.number, n, code: 'not_empty', message: '' })
        continue
      }
      // Sent twice before the commit, by the tab and by who has taken over from it.
      const known = 'message' in change ? seqOf(room.log, change.message) : 0
      if (known > 0) {
        this.recognised++
        room.waiting.push({ socket, n, seq: known })
        continue
      }
      room.log.push(change)
      const seq = room.log.length
      room.waiting.push({ socket, n, seq })
      if ('message' in change) this.tell(room, seq, change.message)
      else if (change.seed === true) this.relay(room, socket, change.update)
    }
    if (this.committed(name).store.pendingStructs === null) {
      const settled = room.waiting.splice(0)
      for (const { socket, n, seq } of this.cumulative ? settled.slice(-1) : settled) {
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
        socket.clientId = frame.clientId.slice()
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
        this.change(socket, frame.room, { socket, n: frame.n, update: frame.update.slice() })
        break
      case 'seed':
        this.change(socket, frame.room, { socket, n: frame.n, update: frame.update.slice(), seed: true })
        break
      case 'append':
        this.append(socket, frame)
        break
      case 'history':
        this.history(socket, frame)
        break
      case 'broadcast': {
        const { name, payload } = frame
        for (const member of this.numbered(frame.room)?.members ?? []) {
          if (member !== socket)
            member.deliver({
              type: 'broadcasted',
              room: frame.room,
              author: null,
              name,
              payload: payload.slice(),
            })
        }
        break
      }
      case 'presence': {
        const room = this.numbered(frame.room)
        for (const member of room?.members ?? []) {
          member.deliver({ type: 'presences', room: frame.room, awareness: frame.awareness.slice() })
        }
        break
      }
      case 'auth':
        if (this.autoWelcome) socket.deliver({ type: 'authed', user: null, expires: null })
        break
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
      socket.refusals.push('already_joined')
      socket.deliver({ type: 'error', request, code: 'already_joined', message: '', retryAfter: 0 })
      return
    }
    const resume = this.resumes && frame.epoch === epoch && after !== null && after <= head
    const mode = resume ? 'resume' : stateVector === null ? 'full' : 'diff'
    const doc = this.committed(frame.room)
    const vector = Y.encodeStateVector(doc)
    room.members.add(socket)
    const uncommitted = updatesOf(room.pending.filter((pending) => pending.seed !== true))
    const events = updatesOf(resume ? log.slice(after) : log)
    const whole =
      events.length + uncommitted.length === 0
        ? new Uint8Array(0)
        : Y.mergeUpdates([...events, ...uncommitted])
    const state =
      mode === 'diff' && stateVector !== null && whole.length > 0 ? Y.diffUpdate(whole, stateVector) : whole
    const number = room.number
    const { access } = this
    socket.deliver({ type: 'joined', request, room: number, epoch, head, access, mode, stateVector: vector })
    if (resume)
      for (const [i, entry] of log.entries())
        if (i >= after && 'message' in entry) this.tell(room, i + 1, entry.message, [socket])
    const half = Math.floor(state.length / 2)
    socket.deliver({ type: 'sync', room: number, part: 'more', data: state.slice(0, half) })
    socket.deliver({ type: 'sync', room: number, part: 'done', data: state.slice(half) })
  }

  private change(socket: FakeSocket, number: number, change: Pending): void {
    const { n } = change
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
    const code = this.refuse(n, 'update' in change ? change.update : new Uint8Array())
    if (code !== null) {
      if (code === 'overloaded') socket.expected.set(number, n)
      nack(code)
      return
    }
    room.pending.push(change)
    if ('update' in change && change.seed !== true) this.relay(room, socket, change.update)
    if (this.autoCommit) this.commit(room.name)
  }

  private append(socket: FakeSocket, { room, n, name, payload }: AppendFrame): void {
    const message = { author: null, clientId: socket.clientId, n, time: 0, name, payload: payload.slice() }
    // Sent again after a lost ACK, it is known (P27).
    const known = seqOf(this.numbered(room)?.log ?? [], message)
    if (known === 0) this.change(socket, room, { socket, n, message })
    else {
      this.recognised++
      socket.deliver({ type: 'ack', room, n, seq: known })
    }
  }

  private history(socket: FakeSocket, { request, room, after, before, limit }: HistoryFrame): void {
    const log = this.numbered(room)?.log ?? []
    const found = log.flatMap((entry, i) => {
      const seq = i + 1
      const wanted = seq > (after ?? 0) && seq < (before ?? Infinity)
      return wanted && 'message' in entry ? [{ seq, ...entry.message }] : []
    })
    const events = after === null ? found.slice(-limit) : found.slice(0, limit)
    socket.deliver({ type: 'historyPage', request, room, events, more: found.length > limit })
  }

  private tell(room: FakeRoom, seq: number, message: Message, to: Iterable<FakeSocket> = room.members): void {
    if (this.silent) return
    for (const member of to) member.deliver({ type: 'event', room: room.number, seq, ...message })
  }

  private relay(room: FakeRoom, author: FakeSocket, update: Uint8Array): void {
    for (const member of room.members) {
      if (member !== author) member.deliver({ type: 'updates', room: room.number, updates: [update] })
    }
  }

  private watermark(room: FakeRoom): void {
    for (const member of room.members)
      member.deliver({ type: 'watermark', room: room.number, seq: room.log.length })
  }

  private numbered(number: number): FakeRoom | undefined {
    return [...this.rooms.values()].find((room) => room.number === number)
  }
}
