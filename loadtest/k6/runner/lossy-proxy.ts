/*
 * A WebSocket proxy that spoils what passes, so that a check can be seen to fail. It stands between k6 and a node.
 */
import { once } from 'node:events'
import { FrameType } from '@weft/protocol'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { isFrame } from '../../bench/wire/weft-wire.js'
import { YMessage, YSync } from '../../bench/wire/y-wire.js'

/**
 * What it does to messages of the server: `drop` and `duplicate` some updates, `delay` everything, let no acknowledgement pass
 * (`drop-acks`), no presence (`drop-presence`), or no answer to a join (`no-sync`); or nothing.
 */
export type Fault = 'drop' | 'duplicate' | 'delay' | 'drop-acks' | 'drop-presence' | 'no-sync' | 'none'

/** Of so many updates one is spoilt. */
const every = 20
const delayMs = 400

const isUpdate = (bytes: Uint8Array): boolean =>
  isFrame(bytes, 0, FrameType.updates, 3) || (bytes[0] === YMessage.sync && bytes[1] === YSync.update)

const isSync = (bytes: Uint8Array): boolean =>
  isFrame(bytes, 0, FrameType.sync, 4) || (bytes[0] === YMessage.sync && bytes[1] === YSync.step2)

const isPresence = (bytes: Uint8Array): boolean =>
  isFrame(bytes, 0, FrameType.presences, 3) || bytes[0] === YMessage.awareness

const bytesOf = (data: RawData): Buffer =>
  Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? Buffer.from(data) : data

/** A proxy in front of a server. */
export interface Proxy {
  readonly url: string
  stop(): Promise<void>
}

/** Starts a proxy on a free port of 127.0.0.1. @param target base address of the server, as `ws://host:port` */
export const startProxy = async (target: string, fault: Fault): Promise<Proxy> => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  let updates = 0
  server.on('connection', (client, request) => {
    const upstream = new WebSocket(target + (request.url ?? '/'), { perMessageDeflate: false })
    const waiting: Buffer[] = []
    client.on('message', (data) => {
      if (upstream.readyState === WebSocket.OPEN) upstream.send(bytesOf(data))
      else waiting.push(bytesOf(data))
    })
    upstream.on('open', () => {
      for (const bytes of waiting) upstream.send(bytes)
    })
    const send = (bytes: Buffer): void => {
      if (client.readyState === WebSocket.OPEN) client.send(bytes)
    }
    upstream.on('message', (data) => {
      const bytes = bytesOf(data)
      const isSpoilt = isUpdate(bytes) && ++updates % every === 0
      if (fault === 'drop' && isSpoilt) return
      if (fault === 'drop-acks' && isFrame(bytes, 0, FrameType.ack, 4)) return
      if (fault === 'drop-presence' && isPresence(bytes)) return
      if (fault === 'no-sync' && isSync(bytes)) return
      if (fault === 'delay') setTimeout(() => send(bytes), delayMs)
      else send(bytes)
      if (fault === 'duplicate' && isSpoilt) send(bytes)
    })
    client.on('close', () => upstream.terminate())
    client.on('error', () => upstream.terminate())
    upstream.on('close', () => client.terminate())
    upstream.on('error', () => client.terminate())
  })
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  return {
    url: `ws://127.0.0.1:${address.port}`,
    stop: () =>
      new Promise((resolve) => {
        for (const client of server.clients) client.terminate()
        server.close(() => resolve())
      }),
  }
}
