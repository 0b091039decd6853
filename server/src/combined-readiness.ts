import { z } from 'zod'

/** What `/readyz` on METRICS_PORT answers, for all processes together. */
export interface CombinedReadiness {
  /** 200, or 503. */
  readonly ok: boolean
  readonly body: {
    readonly status: 'ready' | 'degraded' | 'unavailable' | 'draining'
    /** What each process answers; `away` for one that is dead, starting or silent. */
    readonly processes: readonly { readonly process: number; readonly status: string }[]
  }
}

const answer = z.object({ ok: z.boolean(), body: z.looseObject({ status: z.string() }) })

/**
 * Clients that come find a process that takes them as long as one is ready: the kernel gives none to those that do not listen.
 * @param answers what processes have said of themselves, as JSON; those that have not are missing
 * @param processes how many there are
 */
export const combineReadiness = (
  answers: readonly { readonly process: number; readonly text: string }[],
  processes: number,
  isDraining: boolean,
): CombinedReadiness => {
  const found = new Map(
    answers.flatMap(({ process, text }) => {
      const { success, data } = answer.safeParse(parsed(text))
      return success ? [[process, data] as const] : []
    }),
  )
  const list = Array.from({ length: processes }, (_, index) => ({
    process: index + 1,
    status: 'away',
    ...found.get(index + 1)?.body,
  }))
  const isReady = [...found.values()].some(({ ok }) => ok)
  if (isDraining || !isReady)
    return { ok: false, body: { status: isDraining ? 'draining' : 'unavailable', processes: list } }
  const status = list.every((each) => each.status === 'ready') ? 'ready' : 'degraded'
  return { ok: true, body: { status, processes: list } }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    // A process that failed to answer says nothing.
    return null
  }
}
