/*
 * The marker in an update: the text that a keystroke inserts is the time of the keystroke, so that any receiver, in whatever
 * process, knows how long the update was under way. With the client and the clock of the update it tells losses and duplicates.
 */
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-'

/** Characters of a stamp: six bits each. */
export const stampLength = 5
/** Stamps repeat after so many milliseconds: 12 days. */
export const stampPeriod = 64 ** stampLength

const digitOf = new Uint8Array(128)
for (let digit = 0; digit < 64; digit++) digitOf[alphabet.charCodeAt(digit)] = digit

/** @param ms a time in milliseconds since 1970 */
export const writeStamp = (ms: number): string => {
  let rest = Math.floor(ms) % stampPeriod
  let text = ''
  for (let i = 0; i < stampLength; i++) {
    text = alphabet.charAt(rest & 63) + text
    rest >>>= 6
  }
  return text
}

/** @returns the milliseconds from the stamp at `bytes[at]` to `now`; 0 when the clock of the writer is ahead */
export const stampAge = (bytes: Uint8Array, at: number, now: number): number => {
  let stamp = 0
  for (let i = at; i < at + stampLength; i++) stamp = (stamp << 6) | digitOf[bytes[i]! & 127]!
  const age = ((Math.floor(now) % stampPeriod) - stamp + stampPeriod) % stampPeriod
  return age > stampPeriod / 2 ? 0 : age
}
