import { ByteWriter, varUintLength } from '../../bench/wire/bytes.js'

/** Writes a Yjs state vector. Clients of which nothing is known are left out. */
export const writeVector = (clocks: readonly (readonly [client: number, clock: number])[]): Uint8Array => {
  const known = clocks.filter(([, clock]) => clock > 0)
  const length = known.flat().reduce((sum, value) => sum + varUintLength(value), varUintLength(known.length))
  const writer = new ByteWriter(new Uint8Array(length)).varUint(known.length)
  for (const [client, clock] of known) writer.varUint(client).varUint(clock)
  return writer.finish()
}

/** Reads a Yjs state vector. */
export const readVector = (bytes: Uint8Array): Map<number, number> => {
  let at = 0
  const uint = (): number => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++] ?? 0
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
  }
  const clocks = new Map<number, number>()
  for (let count = uint(); count > 0; count--) {
    const client = uint()
    clocks.set(client, uint())
  }
  return clocks
}
