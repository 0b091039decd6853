/** Milliseconds between the keystrokes of somebody who writes, in their order. */
export type Rhythm = readonly number[]

/** Goes through a rhythm for ever, from a place of its own. */
export class Gaps {
  private readonly rhythm: Rhythm
  private readonly speed: number
  private at: number

  /**
   * @param start where to begin, from 0 to 1
   * @param speed 2 halves all gaps
   */
  constructor(rhythm: Rhythm, start: number, speed: number) {
    this.rhythm = rhythm
    this.speed = speed
    this.at = Math.floor(start * rhythm.length) % rhythm.length
  }

  /** @returns the milliseconds until the next keystroke */
  next(): number {
    const gap = this.rhythm[this.at]!
    this.at = (this.at + 1) % this.rhythm.length
    return gap / this.speed
  }
}

/** Keystrokes a second, on average. */
export const keystrokesPerSecond = (rhythm: Rhythm): number =>
  (1000 * rhythm.length) / rhythm.reduce((sum, gap) => sum + gap, 0)

/**
 * Gaps between edits that were recorded to the second: those of one second lie evenly in it.
 * @param seconds the second of each edit, in order
 * @param longestMs a longer pause is cut to this: the writer was away
 */
export const gapsOf = (seconds: readonly number[], longestMs: number): number[] => {
  const times: number[] = []
  for (let from = 0; from < seconds.length;) {
    let to = from + 1
    while (to < seconds.length && seconds[to] === seconds[from]) to++
    for (let i = from; i < to; i++) times.push(seconds[from]! * 1000 + ((i - from) * 1000) / (to - from))
    from = to
  }
  return times.slice(1).map((time, i) => Math.min(longestMs, Math.round(time - times[i]!)))
}
