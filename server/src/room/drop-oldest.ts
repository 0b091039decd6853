/** Makes room for one more where there are `max`: the oldest goes. */
export const dropOldest = <K>(kept: Map<K, unknown> | Set<K>, max: number): void => {
  if (kept.size < max) return
  const oldest = kept.keys().next()
  if (oldest.done !== true) kept.delete(oldest.value)
}
