/*
 * Keeps several server processes running behind one port: starts a dead one again, passes on the end, gathers the metrics.
 * The processes are made elsewhere (supervise.ts): here are no sockets and no signals.
 */
import { constants } from 'node:os'
import { fullJitter } from './journal/index.js'
import { combineReadiness, type CombinedReadiness } from './combined-readiness.js'
import type { ProcessMessage, ProcessQuestion } from './supervisor-link.js'
import type { ProcessMetrics } from './telemetry/index.js'

/** A process that runs. */
export interface SupervisedProcess {
  readonly pid: number | undefined
  kill(signal: NodeJS.Signals): void
  send(message: ProcessQuestion): void
}

export interface ProcessEvents {
  message(message: ProcessMessage): void
  /** Once, after everything else. */
  exit(code: number | null, signal: NodeJS.Signals | null): void
}

export interface SupervisorLogger {
  info(details: Readonly<Record<string, unknown>>, message: string): void
  error(details: Readonly<Record<string, unknown>>, message: string): void
}

export interface SupervisorOptions {
  readonly processes: number
  /** Past it the processes of a shutdown are killed, in milliseconds. */
  readonly shutdownMs: number
  readonly start: (process: number, events: ProcessEvents) => SupervisedProcess
  /** All listen, for the first time. */
  readonly ready: (url: string) => void
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly logger: SupervisorLogger
}

/** How everything ended. */
export interface SupervisorEnd {
  /** The worst of the processes' exit codes: 0 when all shut down in an orderly way. */
  readonly code: number
  /** Why the start was given up. */
  readonly failure: string | null
}

/** A process that lived this long after its start was well: the next one is started at once. */
const settledMs = 10_000

/** The first delays are short: most deaths are single ones, and the others carry the load until then. */
const restartDelay = { initial: 200, max: 5_000 }

/** One Ctrl-C comes twice under `npm start`, from the terminal and from npm: that is not yet "kill". */
const sameSignalMs = 1_000

/** A process that has not answered by then is missing from the answer. */
const answerTimeoutMs = 2_000

interface Slot {
  readonly number: number
  running: SupervisedProcess | null
  startedAt: number
  /** Listens now. */
  up: boolean
  /** Has listened once: its settings are right, and whatever keeps it from starting may pass. */
  wasUp: boolean
  /** Deaths in a row, each soon after the start. */
  earlyDeaths: number
  restarts: number
  timer: NodeJS.Timeout | null
}

/** The exit code of a shell: a process that a signal ended has 128 and the signal's number. */
const exitCode = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? 128 + (signal === null ? 0 : constants.signals[signal])

export class Supervisor {
  /** Everything has ended. */
  readonly ended: Promise<SupervisorEnd>
  private readonly options: SupervisorOptions
  private readonly slots: readonly Slot[]
  private readonly replies = new Map<number, (process: number, text: string | null) => void>()
  private end: (end: SupervisorEnd) => void = () => undefined
  private stopping = false
  private toldAt: number | null = null
  private worst = 0
  private failure: string | null = null
  private deadline: NodeJS.Timeout | null = null
  private allWereUp = false
  private nextRequest = 1

  constructor(options: SupervisorOptions) {
    this.options = options
    this.ended = new Promise((resolve) => (this.end = resolve))
    this.slots = Array.from({ length: options.processes }, (_, index) => ({
      number: index + 1,
      running: null,
      startedAt: 0,
      up: false,
      wasUp: false,
      earlyDeaths: 0,
      restarts: 0,
      timer: null,
    }))
    for (const slot of this.slots) this.start(slot)
  }

  /** An operator's signal: the first lets every process shut down, another one kills them. */
  signal(signal: NodeJS.Signals): void {
    const now = performance.now()
    if (this.toldAt === null) {
      this.toldAt = now
      this.options.logger.info({ signal }, 'shutting down')
      this.stop()
    } else if (now - this.toldAt >= sameSignalMs) this.kill()
  }

  /** How often each process was started again. */
  restarts(): { readonly process: number; readonly restarts: number }[] {
    return this.slots.map(({ number, restarts }) => ({ process: number, restarts }))
  }

  /** Processes, and those of them that listen. */
  get health(): { readonly processes: number; readonly up: number } {
    return { processes: this.slots.length, up: this.slots.filter(({ up }) => up).length }
  }

  /** The metrics of all processes that answer in time. */
  metrics(): Promise<ProcessMetrics[]> {
    return this.ask('metrics')
  }

  /** What `/readyz` of all processes together answers. */
  async readiness(): Promise<CombinedReadiness> {
    const answers = this.stopping ? [] : await this.ask('readiness')
    return combineReadiness(answers, this.slots.length, this.stopping)
  }

  private async ask(type: ProcessQuestion['type']): Promise<ProcessMetrics[]> {
    const request = this.nextRequest++
    const asked = new Map(
      this.slots.flatMap(({ number, up, running }) => (up && running !== null ? [[number, running]] : [])),
    )
    const found: ProcessMetrics[] = []
    if (asked.size > 0) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        timer = setTimeout(resolve, answerTimeoutMs)
        this.replies.set(request, (process, text) => {
          if (!asked.delete(process)) return
          if (text !== null) found.push({ process, text })
          if (asked.size === 0) resolve()
        })
        for (const running of asked.values()) running.send({ type, request })
      })
      clearTimeout(timer)
      this.replies.delete(request)
    }
    return found.sort((a, b) => a.process - b.process)
  }

  private start(slot: Slot): void {
    slot.timer = null
    slot.startedAt = performance.now()
    slot.running = this.options.start(slot.number, {
      message: (message) => this.take(slot, message),
      exit: (code, signal) => this.exited(slot, code, signal),
    })
  }

  private take(slot: Slot, message: ProcessMessage): void {
    switch (message.type) {
      case 'ready':
        slot.up = true
        slot.wasUp = true
        if (!this.allWereUp && this.slots.every(({ wasUp }) => wasUp)) {
          this.allWereUp = true
          this.options.ready(message.url)
        }
        break
      case 'failed':
        if (slot.wasUp)
          this.options.logger.error({ process: slot.number }, `a process cannot start: ${message.reason}`)
        else if (!this.stopping) {
          // A wrong setting: all of them fail alike, and one sentence says it.
          this.failure = message.reason
          this.stop()
        }
        break
      case 'metrics':
      case 'readiness':
        this.replies.get(message.request)?.(slot.number, message.text)
        break
    }
  }

  private exited(slot: Slot, code: number | null, signal: NodeJS.Signals | null): void {
    const { up, number } = slot
    const pid = slot.running?.pid
    slot.running = null
    slot.up = false
    for (const reply of this.replies.values()) reply(number, null)
    if (this.stopping) {
      // A process that had not started yet had no handler for the signal, and nothing to lose.
      if (up || signal !== 'SIGTERM') this.worst = Math.max(this.worst, exitCode(code, signal))
      this.endIfAllDid()
      return
    }
    const settled = performance.now() - slot.startedAt >= settledMs
    const delay = settled ? 0 : fullJitter(slot.earlyDeaths, restartDelay, this.options.random)
    slot.earlyDeaths = settled ? 0 : slot.earlyDeaths + 1
    slot.restarts++
    this.options.logger.error(
      { process: number, pid, code, signal, delay },
      'a process died; it is started again',
    )
    slot.timer = setTimeout(() => this.start(slot), delay)
  }

  private stop(): void {
    if (this.stopping) return
    this.stopping = true
    for (const slot of this.slots) {
      if (slot.timer !== null) clearTimeout(slot.timer)
      slot.running?.kill('SIGTERM')
    }
    // Each has this deadline of its own; one that does not even see it pass is stuck.
    this.deadline = setTimeout(() => this.kill(), this.options.shutdownMs)
    this.endIfAllDid()
  }

  private kill(): void {
    for (const { running } of this.slots) running?.kill('SIGKILL')
  }

  private endIfAllDid(): void {
    if (this.slots.some(({ running }) => running !== null)) return
    if (this.deadline !== null) clearTimeout(this.deadline)
    const { worst, failure } = this
    this.end({ code: failure === null ? worst : Math.max(1, worst), failure })
  }
}
