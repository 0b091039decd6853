/*
 * How large a document may become (P76). Pure. What is known exactly is the newest snapshot; the tail after it is as large as the
 * updates were, which for typing is many times what they come to.
 */

/** Whether an update that adds content may come in. `unknown`: a compaction has to tell first. */
export type Growth = 'fits' | 'full' | 'unknown'

export interface DocumentSize {
  readonly maxBytes: number
  /** Of the newest snapshot. */
  readonly baseBytes: number
  /** Of the events after it. */
  readonly tailBytes: number
  /** The tail is compacted past so many bytes. */
  readonly dueBytes: number
  /** Milliseconds since a compaction told the size; 0 when nothing was committed since. */
  readonly age: number
}

/** A document that deletions have made smaller is measured again after so many milliseconds, when it is asked to grow. */
export const measureAgainMs = 10_000

export const growth = (
  { maxBytes, baseBytes, tailBytes, dueBytes, age }: DocumentSize,
  bytes: number,
): Growth => {
  if (baseBytes + bytes > maxBytes) return age < measureAgainMs ? 'full' : 'unknown'
  // Beyond the limit by what is not compacted yet, at most: no compaction for every keystroke near it.
  if (tailBytes <= dueBytes || baseBytes + tailBytes + bytes <= maxBytes) return 'fits'
  return 'unknown'
}
