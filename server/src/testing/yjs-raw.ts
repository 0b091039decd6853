/*
 * A stock Yjs client for tests, on the level of its messages: what y-websocket hides is visible here. It answers a step 1,
 * as they all do, and does nothing else on its own.
 */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { readAwareness, writeAwareness } from '@weft/protocol'
import { until, within } from './until.js'
import type { CloseReport } from './weft-bot.js'

/** A message as a stock client tells them apart. */
export interface RawMessage {
  readonly type: 'step1' | 'step2' | 'update' | 'awareness' | 'auth' | 'queryAwareness'
  readonly bytes: Uint8Array
}

export class YjsRaw {
  readonly doc = new Y.Doc()
  readonly messages: RawMessage[] = []
  /** Awareness: the latest state of each id, null for gone. */
  readonly presence = new Map<number, { clock: number; state: unknown }>()
  readonly closed: Promise<CloseReport>
  private readonly ws: WebSocket

  private constructor(ws: WebSocket) {
    this.ws = ws
    ws.on('message', (data: Buffer) => this.receive(new Uint8Array(data)))
    ws.on('error', () => undefined)
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
  }

  /** @param path what follows `/yjs/`, as it stands in the URL */
  static async connect(wsUrl: string, path: string): Promise<YjsRaw> {
    const ws = new WebSocket(`${wsUrl}/yjs/${path}`)
    const client = new YjsRaw(ws)
    await within(
      new Promise<void>((resolve, reject) => {
        ws.once('open', resolve)
        ws.once('error', reject)
      }),
      'the connection',
    )
    return client
  }

  /** Connects, sends step 1 and waits for step 2. */
  static async open(wsUrl: string, path: string): Promise<YjsRaw> {
    const client = await YjsRaw.connect(wsUrl, path)
    await client.sync()
    return client
  }

  get text(): string {
    return this.doc.getText('text').toJSON()
  }

  get isOpen(): boolean {
    return this.ws.readyState === WebSocket.OPEN
  }

  count(type: RawMessage['type']): number {
    return this.messages.filter((message) => message.type === type).length
  }

  /** Sends step 1 and waits for its step 2. */
  async sync(): Promise<void> {
    const before = this.count('step2')
    this.step1()
    await until(() => this.count('step2') > before, 'a step 2')
  }

  step1(stateVector = Y.encodeStateVector(this.doc)): void {
    this.send([0, 0], stateVector)
  }

  step2(update: Uint8Array): void {
    this.send([0, 1], update)
  }

  update(update: Uint8Array): void {
    this.send([0, 2], update)
  }

  /** Edits the document and sends the edit. */
  edit(change: (text: Y.Text) => void): void {
    const updates: Uint8Array[] = []
    const collect = (update: Uint8Array): void => void updates.push(update)
    this.doc.on('update', collect)
    this.doc.transact(() => change(this.doc.getText('text')))
    this.doc.off('update', collect)
    this.update(Y.mergeUpdates(updates))
  }

  /** Appends to the text. */
  type(value: string): void {
    this.edit((text) => text.insert(text.length, value))
  }

  show(...entries: { clientId: number; clock: number; state: unknown }[]): void {
    this.send([1], writeAwareness(entries.map((entry) => ({ ...entry, state: JSON.stringify(entry.state) }))))
  }

  raw(bytes: Uint8Array): void {
    this.ws.send(bytes)
  }

  pause(): void {
    this.ws.pause()
  }

  resume(): void {
    this.ws.resume()
  }

  async close(): Promise<void> {
    this.ws.close()
    await within(this.closed, 'the close')
  }

  terminate(): void {
    this.ws.terminate()
  }

  private send(header: readonly number[], bytes: Uint8Array): void {
    const encoder = encoding.createEncoder()
    for (const part of header) encoding.writeVarUint(encoder, part)
    encoding.writeVarUint8Array(encoder, bytes)
    this.ws.send(encoding.toUint8Array(encoder))
  }

  private receive(data: Uint8Array): void {
    const decoder = decoding.createDecoder(data)
    const type = decoding.readVarUint(decoder)
    if (type === 0) {
      const step = decoding.readVarUint(decoder)
      const bytes = decoding.readVarUint8Array(decoder)
      if (step === 0) this.step2(Y.encodeStateAsUpdate(this.doc, bytes))
      if (step > 0) Y.applyUpdate(this.doc, bytes, 'remote')
      this.messages.push({ type: step === 0 ? 'step1' : step === 1 ? 'step2' : 'update', bytes })
    } else if (type === 1) {
      const bytes = decoding.readVarUint8Array(decoder)
      for (const { clientId, clock, state } of readAwareness(bytes, 1e6, 1e6)) {
        this.presence.set(clientId, { clock, state: JSON.parse(state ?? 'null') as unknown })
      }
      this.messages.push({ type: 'awareness', bytes })
    } else if (type === 2) {
      decoding.readVarUint(decoder)
      this.messages.push({ type: 'auth', bytes: new TextEncoder().encode(decoding.readVarString(decoder)) })
    } else {
      this.messages.push({ type: 'queryAwareness', bytes: data })
    }
  }
}
