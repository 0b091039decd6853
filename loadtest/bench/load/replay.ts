import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import * as Y from 'yjs'
import type { Trace } from '../data/trace.js'
import type { Target } from '../servers/target.js'
import { textName } from '../wire/keystrokes.js'
import { visitDecoded } from '../wire/update-decode.js'
import { UpdateScanner } from '../wire/update-scan.js'
import { Coverage } from './coverage.js'
import { joinRoom } from './joiner.js'
import { joinMember } from './join-member.js'
import { type Member, type UpdateSink, deferred } from './member.js'
import { Tally } from './tally.js'

/** Updates that are under way at once: sent, and not yet seen by the other client. */
const inFlight = 256
const timeoutMs = 60_000

/** Waits for what the author has typed, and tells how far it has come. */
class Watcher implements UpdateSink {
  private readonly coverage = new Coverage()
  private readonly scanner = new UpdateScanner(visitDecoded)
  private readonly client: number
  private readonly arrived: (clock: number) => void

  constructor(client: number, arrived: (clock: number) => void) {
    this.client = client
    this.arrived = arrived
  }

  update(bytes: Uint8Array, start: number, end: number): void {
    this.scanner.scan(bytes, start, end, this)
    this.arrived(this.coverage.next)
  }

  range(client: number, clock: number, length: number): void {
    if (client === this.client) this.coverage.add(clock, clock + length, () => undefined)
  }
}

/**
 * Types a trace as fast as it arrives at another client of the room. Resolves when all of it has (and, by the Weft protocol, is
 * acknowledged); rejects when it does not, or when the room then holds another text.
 * @returns how long it took, in seconds
 */
export const replay = async (target: Target, trace: Trace): Promise<number> => {
  const room = `bench-trace-${randomBytes(6).toString('hex')}`
  const tally = new Tally()
  const done = deferred()
  const { updates, clocks } = trace
  const last = clocks[clocks.length - 1]!
  let sent = 0
  let seen = 0
  const go = (author: Member): void => {
    const until = Math.min(updates.length, seen + inFlight)
    if (until > sent) author.send(updates.slice(sent, until))
    sent = until
  }
  let author: Member | null = null
  const watcher = new Watcher(trace.client, (clock) => {
    while (seen < clocks.length && clocks[seen]! <= clock) seen++
    if (author !== null) go(author)
    if (clock >= last) done.resolve()
  })
  const reader = await joinMember(target, { port: target.port, room, typist: null, receiver: watcher, tally })
  author = await joinMember(target, { port: target.port, room, typist: null, receiver: ignore, tally })
  const timer = setTimeout(() => {
    done.reject(new Error(`${seen} of ${updates.length} updates arrived within ${timeoutMs} ms`))
  }, timeoutMs)
  try {
    const start = performance.now()
    go(author)
    await done.promise
    while (target.dialect === 'weft' && tally.sentAcked < updates.length) {
      if (tally.nacked + tally.lostConnections > 0) throw new Error(tally.complaints.join('; '))
      if (performance.now() - start > timeoutMs) throw new Error('not everything was acknowledged')
      await sleep(1)
    }
    const seconds = (performance.now() - start) / 1000
    await check(target, room, trace)
    return seconds
  } finally {
    clearTimeout(timer)
    author.close()
    reader.close()
  }
}

const ignore: UpdateSink = { update: () => undefined }

const check = async (target: Target, room: string, trace: Trace): Promise<void> => {
  const joined = await joinRoom({ target, room, known: null, keep: true })
  joined.close()
  const doc = new Y.Doc()
  for (const update of joined.updates) Y.applyUpdate(doc, update)
  if (doc.getText(textName).toJSON() !== trace.text)
    throw new Error(`${target.name}: after ${trace.name} the room holds another text`)
}
