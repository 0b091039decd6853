/* A member of a scripted node's room, with its socket, that checks what it gets. */
import * as Y from 'yjs'
import { decodeServerFrame } from '@weft/protocol'
import { mayAll } from '../../auth/index.js'
import type { Seq } from '../../ids.js'
import { Membership, type SyncRequest } from '../membership.js'
import { Socket } from '../socket.js'
import { WeftWire } from '../weft-member-wire.js'
import type { ScriptedNode } from './scripted-node.js'
import { ScriptedSocket } from './scripted-uws.js'

/** What a client keeps: its document, and how far it has everything. */
export interface ClientState {
  readonly doc: Uint8Array
  /** What it may resume after. */
  readonly watermark: Seq
  /** The newest message that it has seen, or that was before its time. */
  readonly lastMessage: Seq
}

export type Pace = 'reads' | 'waits' | 'clogged'

/** A client that keeps count: what breaks the protocol is in `broken`. */
export class ScriptedClient {
  readonly broken: string[] = []
  readonly frames: ReturnType<typeof decodeServerFrame>[] = []
  /** Seqs of the EVENT frames as they came. */
  readonly events: Seq[] = []
  /** Every state that it could have been cut off in. */
  readonly states: ClientState[] = []
  readonly socket: ScriptedSocket
  readonly member: Membership
  private readonly node: ScriptedNode
  private readonly doc = new Y.Doc()
  private watermark: Seq
  private lastMessage: Seq
  private notBefore: Seq
  private joined: { head: Seq } | null = null
  private done = false
  private parts: Uint8Array[] = []

  /** @param pace whether it reads at once, later, or has yet to read what another room sent */
  constructor(
    node: ScriptedNode,
    request: SyncRequest,
    state: ClientState | null = null,
    pace: Pace = 'reads',
  ) {
    this.node = node
    if (state !== null) Y.applyUpdate(this.doc, state.doc)
    this.watermark = request.mode === 'resume' ? request.after : 0
    this.lastMessage = state === null ? this.watermark : state.lastMessage
    this.notBefore = this.watermark
    this.socket = new ScriptedSocket(node.uws, node.maxBackpressure, (frame) => this.take(frame))
    this.socket.reading = pace === 'reads'
    if (pace === 'clogged') this.socket.clog(node.paceBytes + 1)
    const failed = (error: unknown): void => void this.broken.push(String(error))
    const socket = new Socket(
      this.socket.ws,
      { paceBytes: node.paceBytes, queuedBytes: 1e6, transfers: node.loop.transfers, publishElsewhere: null },
      true,
      {
        fellBehind: () => this.member.fellBehind(),
        caughtUp: () => void this.member.catchUp().catch(failed),
        tooSlow: failed,
      },
    )
    this.socket.onDropped = () => socket.noteDrop()
    this.socket.onDrain = () => socket.drained()
    const wire = new WeftWire({ socket, ended: failed }, node.room, node.channel.number, 'write', 1)
    const hold = { room: node.room, output: node.channel, release: () => undefined }
    this.member = new Membership('weft', socket, hold, wire, {
      user: null,
      connection: '',
      clientId: null,
      permissions: mayAll,
    })
    this.member.sync(request).catch(failed)
    this.leave = () => {
      this.member.leave()
      socket.closed()
      this.socket.close()
    }
  }

  /** The connection is gone. */
  readonly leave: () => void

  static resume(node: ScriptedNode, state: ClientState, pace: Pace = 'reads'): ScriptedClient {
    return new ScriptedClient(node, { mode: 'resume', after: state.watermark }, state, pace)
  }

  static diff(node: ScriptedNode, state: ClientState, pace: Pace = 'reads'): ScriptedClient {
    const stateVector = Y.encodeStateVectorFromUpdate(state.doc)
    return new ScriptedClient(node, { mode: 'diff', stateVector }, state, pace)
  }

  get isDone(): boolean {
    return this.done
  }

  get head(): Seq {
    return this.joined?.head ?? -1
  }

  /** The seq of the newest watermark. */
  get told(): Seq {
    return this.watermark
  }

  /** What frames came, shortly. */
  get order(): string[] {
    return this.frames.map((frame) => {
      if (frame.type === 'sync') return `sync ${frame.part} ${frame.data.length > 0 ? 'full' : 'empty'}`
      return frame.type === 'event' || frame.type === 'watermark' ? `${frame.type} ${frame.seq}` : frame.type
    })
  }

  /** Keys that the log has up to a seq and the document lacks. */
  missing(upTo: Seq): string[] {
    const map = this.doc.getMap('m')
    return this.node.log.keys.slice(0, upTo).filter((key) => key !== null && !map.has(key)) as string[]
  }

  get keys(): number {
    return this.doc.getMap('m').size
  }

  /** Checks that it has all of the log. */
  checkComplete(): void {
    this.checkHas(this.node.log.events.length, 'the end')
    if (!this.member.isLive) this.broken.push('it is not live')
  }

  private take(bytes: Uint8Array): void {
    const frame = decodeServerFrame(bytes)
    this.frames.push(frame)
    if (frame.type === 'joined') {
      this.joined = { head: frame.head }
      if (frame.mode === 'resume') return
      this.notBefore = frame.head
      this.lastMessage = Math.max(this.lastMessage, frame.head)
    } else if (frame.type === 'sync') {
      if (frame.data.length > 0) this.parts.push(frame.data)
      if (frame.part === 'more') return
      if (this.parts.length > 0) this.apply(Buffer.concat(this.parts))
      this.parts = []
      if (frame.part === 'done') this.finishSync()
    } else if (frame.type === 'updates') {
      if (!this.done) this.broken.push('UPDATES before done')
      for (const update of frame.updates) this.apply(update)
    } else if (frame.type === 'event') {
      this.event(frame.seq)
    } else if (frame.type === 'watermark') {
      if (!this.done) this.broken.push('WATERMARK before done')
      this.advance(frame.seq, `WATERMARK ${frame.seq}`)
    } else {
      this.broken.push(`unexpected ${frame.type}`)
    }
  }

  private apply(update: Uint8Array): void {
    Y.applyUpdate(this.doc, update)
  }

  private event(seq: Seq): void {
    this.events.push(seq)
    if (seq <= this.notBefore) this.broken.push(`EVENT ${seq} is history before ${this.notBefore}`)
    if (seq <= this.lastMessage) return
    const skipped = this.node.log.messages(this.lastMessage, seq - 1)
    if (skipped.length > 0) this.broken.push(`EVENT ${seq} came before ${skipped.join()}`)
    this.lastMessage = seq
  }

  private finishSync(): void {
    if (this.done) this.broken.push('a second done')
    this.done = true
    this.advance(this.head, 'done')
  }

  /** The client resumes after `seq` from now on: nothing up to it may be missing. */
  private advance(seq: Seq, why: string): void {
    this.checkHas(seq, why)
    this.watermark = Math.max(this.watermark, seq)
    const { watermark, lastMessage } = this
    this.states.push({ doc: Y.encodeStateAsUpdate(this.doc), watermark, lastMessage })
  }

  private checkHas(seq: Seq, what: string): void {
    const keys = this.missing(seq)
    if (keys.length > 0)
      this.broken.push(`${what}: ${keys.length} updates are missing, ${keys.slice(0, 3).join()}`)
    const messages = this.node.log.messages(this.lastMessage, seq)
    if (messages.length > 0) this.broken.push(`${what}: messages are missing, ${messages.slice(0, 9).join()}`)
  }
}
