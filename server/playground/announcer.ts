/* What a screen reader is told: the state, once it has lasted, and not each flicker of it. */
import { byId, setText } from './dom.js'

const settleMs = 1_000

/** Announces the newest of several messages, a second after the last one of them. */
export const createAnnouncer = (): ((message: string) => void) => {
  const live = byId('live', HTMLElement)
  let timer: ReturnType<typeof setTimeout> | undefined
  return (message) => {
    clearTimeout(timer)
    timer = setTimeout(() => setText(live, message), settleMs)
  }
}
