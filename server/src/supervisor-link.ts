/*
 * What the supervisor and its processes tell each other, over the channel that `fork` makes. Here are the messages and the
 * processes' side; supervisor.ts has the other.
 */

/** From a process. */
export type ProcessMessage =
  /** It listens. */
  | { readonly type: 'ready'; readonly url: string }
  /** It cannot start, and ends. */
  | { readonly type: 'failed'; readonly reason: string }
  /** The answer to a `ProcessQuestion`: the page of `/metrics`, or the JSON of `/readyz`. */
  | { readonly type: Asked; readonly request: number; readonly text: string }

type Asked = 'metrics' | 'readiness'

/** To a process. */
export interface ProcessQuestion {
  readonly type: Asked
  readonly request: number
}

const isAsked = (type: unknown): type is Asked => type === 'metrics' || type === 'readiness'

/** Set in the environment of a process that a supervisor started: which of them it is, from 1. Not a setting. */
export const processVariable = 'WEFT_PROCESS_NUMBER'

const fieldsOf = (message: unknown): Readonly<Record<string, unknown>> =>
  typeof message === 'object' && message !== null ? { ...message } : {}

/** @returns null for what is none of Weft's */
export const decodeProcessMessage = (message: unknown): ProcessMessage | null => {
  const { type, url, reason, request, text } = fieldsOf(message)
  if (type === 'ready' && typeof url === 'string') return { type, url }
  if (type === 'failed' && typeof reason === 'string') return { type, reason }
  if (isAsked(type) && typeof request === 'number' && typeof text === 'string') return { type, request, text }
  return null
}

/** A process's way to its supervisor. */
export interface SupervisorLink {
  /** Which of the supervisor's processes this is, from 1. */
  readonly process: number
  /** The supervisor is gone. Resolves at once if it was before. */
  readonly lost: Promise<void>
  /** It listens, and answers questions from now on. */
  ready(url: string, answers: Readonly<Record<Asked, () => Promise<string>>>): void
  /** It cannot start. Resolves when the supervisor has been told, or cannot be. */
  failed(reason: string): Promise<void>
}

/** @returns null when no supervisor started this process */
export const connectSupervisor = (): SupervisorLink | null => {
  const number = process.env[processVariable]
  if (number === undefined || process.send === undefined) return null
  // Threads and processes of its own are not the supervisor's.
  Reflect.deleteProperty(process.env, processVariable)
  const send = (message: ProcessMessage): Promise<void> =>
    new Promise((resolve) => {
      // Without a supervisor nobody is left to tell.
      if (!process.connected) resolve()
      else process.send?.(message, undefined, undefined, () => resolve())
    })
  return {
    process: Number(number),
    lost: new Promise((resolve) => {
      if (!process.connected) resolve()
      else process.once('disconnect', () => resolve())
    }),
    ready(url, answers) {
      process.on('message', (message) => {
        const { type, request } = fieldsOf(message)
        if (!isAsked(type) || typeof request !== 'number') return
        answers[type]()
          .catch(() => '')
          .then((text) => send({ type, request, text }))
          // `send` resolves in any case.
          .catch(() => undefined)
      })
      void send({ type: 'ready', url })
    },
    failed: (reason) => send({ type: 'failed', reason }),
  }
}
