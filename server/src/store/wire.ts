/**
 * The few parts of the PostgreSQL wire protocol that serving the embedded database needs.
 * Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** Message types of the frontend, as their first byte. */
export const frontend = {
  bind: 0x42,
  close: 0x43,
  parse: 0x50,
  query: 0x51,
  sync: 0x53,
  terminate: 0x58,
} as const

const startupVersion3 = 196_608
const cancelRequest = 80_877_102
const sslRequest = 80_877_103
const gssEncRequest = 80_877_104

/** One frame from a client: a typed message with its header, or what comes before the session. */
export type Frame =
  | { readonly kind: 'message'; readonly type: number; readonly bytes: Buffer }
  | { readonly kind: 'startup' | 'cancel' | 'encryption' | 'unknown' }

/** Cuts a client's bytes into frames. A frame of many chunks is copied once, when it is complete. */
export class FrameReader {
  #chunks: Buffer[] = []
  #length = 0
  #started = false

  push(chunk: Buffer): Frame[] {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    const frames: Frame[] = []
    for (;;) {
      const size = this.#frameSize()
      if (size === null || size > this.#length) return frames
      const bytes = this.#take(size)
      frames.push(this.#started ? { kind: 'message', type: bytes[0] ?? 0, bytes } : this.#startup(bytes))
    }
  }

  #frameSize(): number | null {
    const header = this.#started ? 5 : 8
    if (this.#length < header) return null
    const head = this.#peek(header)
    return this.#started ? 1 + head.readUInt32BE(1) : Math.max(8, head.readUInt32BE(0))
  }

  #peek(size: number): Buffer {
    const first = this.#chunks[0]
    if (first !== undefined && first.length >= size) return first
    // A header in two chunks: join those, no more.
    const joined: Buffer[] = []
    let length = 0
    while (length < size) {
      const next = this.#chunks.shift()
      if (next === undefined) break
      joined.push(next)
      length += next.length
    }
    const head = Buffer.concat(joined, length)
    this.#chunks.unshift(head)
    return head
  }

  #take(size: number): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks, this.#length)
    if (all === undefined) return Buffer.alloc(0)
    this.#length -= size
    this.#chunks = this.#length === 0 ? [] : [all.subarray(size)]
    return all.subarray(0, size)
  }

  #startup(bytes: Buffer): Frame {
    switch (bytes.readUInt32BE(4)) {
      case startupVersion3:
        this.#started = true
        return { kind: 'startup' }
      case cancelRequest:
        return { kind: 'cancel' }
      case sslRequest:
      case gssEncRequest:
        return { kind: 'encryption' }
      default:
        return { kind: 'unknown' }
    }
  }
}

/** The name in a Parse message: that of the prepared statement it makes. */
export function statementName(parse: Buffer): string {
  return parse.toString('utf8', 5, parse.indexOf(0, 5))
}

/** Close of a prepared statement. No error when there is none. */
export function closeStatement(name: string): Buffer {
  return message('C', Buffer.from(`S${name}\0`))
}

export const syncMessage = message('S', Buffer.alloc(0))
export const rollbackMessage = message('Q', Buffer.from('ROLLBACK\0'))

/** AuthenticationOk, the parameters that drivers look at, and ReadyForQuery: the answer to a startup message. */
export const welcome = Buffer.concat([
  message('R', Buffer.alloc(4)),
  ...Object.entries({
    server_version: '17.0',
    server_encoding: 'UTF8',
    client_encoding: 'UTF8',
    standard_conforming_strings: 'on',
    integer_datetimes: 'on',
  }).map(([name, value]) => message('S', Buffer.from(`${name}\0${value}\0`))),
  message('K', Buffer.alloc(8)),
  message('Z', Buffer.from('I')),
])

function message(type: string, body: Buffer): Buffer {
  const out = Buffer.allocUnsafe(5 + body.length)
  out.write(type, 0, 'latin1')
  out.writeUInt32BE(4 + body.length, 1)
  body.copy(out, 5)
  return out
}
