/** Zeroed bytes in memory that all threads see: posting them to another thread copies nothing. */
export function allocateShared(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length))
}

/** The bytes in shared memory: themselves if they are there already, else a copy. */
export function toShared(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer instanceof SharedArrayBuffer) return bytes
  const shared = allocateShared(bytes.length)
  shared.set(bytes)
  return shared
}

/**
 * Many byte arrays for another thread: those that are not in shared memory are copied into one shared block. A posted
 * view of an ordinary buffer would take the whole buffer along, which for a socket's message may be far larger.
 */
export function allToShared(parts: readonly Uint8Array[]): Uint8Array[] {
  let length = 0
  for (const part of parts) if (!(part.buffer instanceof SharedArrayBuffer)) length += part.length
  const block = allocateShared(length)
  let at = 0
  return parts.map((part) => {
    if (part.buffer instanceof SharedArrayBuffer) return part
    const view = block.subarray(at, at + part.length)
    view.set(part)
    at += part.length
    return view
  })
}
