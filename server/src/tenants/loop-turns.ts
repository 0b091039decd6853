/*
 * How the tenants of a node share its event loop. What one may do in a turn of the loop is bounded; what is left waits, in the
 * order of the connections, while everybody else is heard. So a flood costs others a slice in each turn, whoever sends it and
 * through however many connections, and one who is alone has the whole loop all the same; only what asks for a turn (joins, and
 * the steps 2 of stock clients) is spread over several, so that a storm of them does not hold up everything else.
 */
import type { Share, SharedLimit } from './fair-shares.js'

/** Milliseconds of a turn that are one tenant's. */
const sliceMs = 4
/** The same of what asks for a turn, where one tenant has the node: sockets are heard and written to in between. */
const aloneSliceMs = 10
/** What a frame costs for each socket that gets it, and for each byte, in milliseconds: uWS writes them when the turn is over. */
const deliveryMs = 0.002
const byteMs = 1e-6
/** How much of the loop the states have that are on their way to clients, where one of them took long. */
const transferPercent = 50
/** What a token takes to verify, in milliseconds. */
export const verifyMs = 0.2
/** What each half of a join costs in pieces that nobody measures, in milliseconds: to open the room, and to send its state. */
export const joinMs = 1

export interface LoopClock {
  now(): number
  /** Calls back when the turn is over. */
  afterTurn(run: () => void): void
  after(ms: number, run: () => void): void
}

const realClock: LoopClock = {
  now: () => performance.now(),
  afterTurn: (run) => void setImmediate(run),
  after: (ms, run) => void setTimeout(run, ms).unref(),
}

export class LoopTurns {
  /** Those whose token has yet to be verified: together one more tenant. */
  readonly strangers: LoopLine
  /** The states that are on their way to clients, of all tenants: however many, and however large, the loop goes on. */
  readonly transfers: LoopLine
  private readonly waiting: SharedLimit
  private readonly clock: LoopClock
  /** There as long as a room or a connection of the tenant refers to it. */
  private readonly lines = new Map<string, WeakRef<LoopLine>>()
  private readonly gone = new FinalizationRegistry<string>((tenant) => {
    if (this.lines.get(tenant)?.deref() === undefined) this.lines.delete(tenant)
  })
  private busy: LoopLine[] = []

  /** @param waiting bytes of messages that wait to be handled */
  constructor(waiting: SharedLimit, clock: LoopClock = realClock) {
    this.waiting = waiting
    this.clock = clock
    const { percent } = waiting.shares
    this.strangers = this.newLine('', { isShared: () => percent < 100, percent })
    this.transfers = this.newLine('', { isShared: () => true, percent: transferPercent })
  }

  /** The line of a tenant. */
  of(tenant: string): LoopLine {
    const known = this.lines.get(tenant)?.deref()
    if (known !== undefined) return known
    const { shares } = this.waiting
    const line = this.newLine(tenant, { isShared: () => shares.caps(tenant), percent: shares.percent })
    this.lines.set(tenant, new WeakRef(line))
    this.gone.register(line, tenant)
    return line
  }

  private newLine(tenant: string, share: LoopShare): LoopLine {
    return new LoopLine(this.waiting.share(tenant), share, this.clock, (line) => {
      this.busy.push(line)
      if (this.busy.length === 1) this.clock.afterTurn(this.endTurn)
    })
  }

  private readonly endTurn = (): void => {
    const { busy } = this
    this.busy = []
    for (const line of busy) line.endTurn()
  }
}

interface LoopShare {
  /** Where one tenant has the node, its connections have the loop as they come. */
  isShared(): boolean
  readonly percent: number
}

/** What a tenant does with the event loop. */
export class LoopLine {
  /** Bytes of its messages that wait to be handled. */
  readonly memory: Share
  private readonly share: LoopShare
  private readonly clock: LoopClock
  private readonly began: (line: LoopLine) => void
  /** Milliseconds of this turn; those that were asked for, where the tenant is alone. */
  private spent = 0
  /** It took much more than a slice at once, and makes up for it. */
  private isResting = false
  private isBusy = false
  private waiting: (() => void)[] = []

  constructor(memory: Share, share: LoopShare, clock: LoopClock, began: (line: LoopLine) => void) {
    this.memory = memory
    this.share = share
    this.clock = clock
    this.began = began
  }

  /** Whether the tenant has had its part of this turn: then what it wants done waits. */
  get isOver(): boolean {
    return (this.isResting || this.spent >= sliceMs) && this.share.isShared()
  }

  /** Does something, and counts the time that it takes. */
  run<T>(what: () => T): T {
    const began = this.clock.now()
    try {
      return what()
    } finally {
      this.spend(this.clock.now() - began)
    }
  }

  /** A frame goes to so many sockets. */
  delivers(receivers: number, bytes: number): void {
    this.spend(receivers * (deliveryMs + bytes * byteMs))
  }

  spend(ms: number): void {
    if (this.share.isShared()) this.add(ms)
  }

  private add(ms: number): void {
    this.spent += ms
    if (this.isBusy) return
    this.isBusy = true
    this.began(this)
  }

  /** Waits for the tenant's turn to do something that takes about so long. @returns null when it is now */
  turn(ms: number): Promise<void> | null {
    if (!this.isFull) {
      this.add(ms)
      return null
    }
    return new Promise((resolve) => {
      this.wait(() => {
        this.add(ms)
        resolve()
      })
    })
  }

  /** Does something when it is the tenant's turn, and counts the time that it takes. Rejects with what it throws. */
  inTurn<T>(what: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const go = (): void => {
        const began = this.clock.now()
        try {
          resolve(what())
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        } finally {
          this.add(this.clock.now() - began)
        }
      }
      if (this.isFull) this.wait(go)
      else go()
    })
  }

  /** Whether what asks for a turn waits: also where the tenant is alone, since a turn that never ends is nobody's. */
  private get isFull(): boolean {
    return this.isOver || this.spent >= aloneSliceMs
  }

  /** Calls `goOn` when it is the tenant's turn again. It may wait once more. */
  wait(goOn: () => void): void {
    this.waiting.push(goOn)
  }

  /** Called at the end of a turn in which something was spent. */
  endTurn(): void {
    this.isBusy = false
    const debt = this.spent - sliceMs
    this.spent = 0
    if (debt < 1 || !this.share.isShared()) {
      this.serve()
      return
    }
    // A single thing may take long. Of the time after it the others have their share.
    this.isResting = true
    const { percent } = this.share
    this.clock.after((debt * (100 - percent)) / percent, () => {
      this.isResting = false
      this.serve()
    })
  }

  private serve(): void {
    const { waiting } = this
    let served = 0
    this.waiting = []
    for (const goOn of waiting) {
      if (this.isFull) break
      served++
      goOn()
    }
    // Who has had no turn comes before those who wait again.
    if (served < waiting.length) this.waiting = [...waiting.slice(served), ...this.waiting]
  }
}
