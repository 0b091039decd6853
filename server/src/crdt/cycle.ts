import { Coverage } from './coverage.js'
import type { Id, Link, Range } from './inspect.js'

/**
 * Structs are written one after the other, so what an update says about its own structs can always be integrated in
 * some order. One that cannot (a needs b, b needs a) is forged; Yjs drops some of its structs and keeps the rest pending
 * for ever. Returns where it gets stuck, or null. Everything that the update does not hold counts as known.
 */
export function findCycle(structs: readonly Range[], links: readonly Link[]): Id | null {
  const spans = new Map<number, { client: number; clock: number; len: number }>()
  const ranges = new Map<number, Range[]>()
  for (const range of structs) {
    const span = spans.get(range.client)
    if (span === undefined) {
      spans.set(range.client, { ...range })
      ranges.set(range.client, [range])
    } else {
      span.len = range.clock + range.len - span.clock
      ranges.get(range.client)?.push(range)
    }
  }
  const inside = links.filter(({ needs }) => contains(ranges.get(needs.client), needs.clock))
  if (inside.length === 0) return null

  const coverage = new Coverage()
  for (const span of spans.values()) coverage.assume(span.client, span.clock)
  if (coverage.add({ structs: [...spans.values()], links: inside, byteLength: 0 })) return null
  for (const span of spans.values()) {
    const clock = coverage.clockOf(span.client)
    if (clock < span.clock + span.len) return { client: span.client, clock }
  }
  return null
}

function contains(ranges: readonly Range[] | undefined, clock: number): boolean {
  if (ranges === undefined) return false
  // Ascending and apart: the first that ends after the clock decides.
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const range = ranges[middle]
    if (range !== undefined && range.clock + range.len > clock) high = middle
    else low = middle + 1
  }
  const range = ranges[low]
  return range !== undefined && range.clock <= clock
}
