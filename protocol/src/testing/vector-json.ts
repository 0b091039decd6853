/* How frames are written down in `vectors/*.json`: JSON, with bytes as hex. */

/** JSON in which bytes are `{ "hex": "…" }`, or `{ "hex": "ab", "times": n }` for a repeated byte. */
export type VectorJson =
  null | boolean | number | string | VectorJson[] | { readonly [key: string]: VectorJson }

/** Bytes as lower-case hex. */
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Hex (spaces allowed) as bytes. */
export const fromHex = (hex: string): Uint8Array => {
  const compact = hex.replaceAll(' ', '')
  if (!/^([0-9a-f]{2})*$/.test(compact)) throw new Error(`not hex: ${hex}`)
  return new Uint8Array(Buffer.from(compact, 'hex'))
}

/** A decoded frame or value as vector JSON. */
export const toVectorJson = (value: unknown): VectorJson => {
  if (value instanceof Uint8Array) return bytesToJson(value)
  if (Array.isArray(value)) return value.map(toVectorJson)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toVectorJson(item)]))
  }
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new Error(`a ${typeof value} has no place in a vector`)
}

const bytesToJson = (bytes: Uint8Array): VectorJson => {
  const first = bytes[0]
  return first !== undefined && bytes.length > 64 && bytes.every((byte) => byte === first)
    ? { hex: toHex(bytes.subarray(0, 1)), times: bytes.length }
    : { hex: toHex(bytes) }
}

/** The reverse of {@link toVectorJson}. */
export const fromVectorJson = (json: VectorJson): unknown => {
  if (Array.isArray(json)) return json.map(fromVectorJson)
  if (typeof json !== 'object' || json === null) return json
  const { hex, times } = json
  if (typeof hex === 'string') return fromHex(hex.repeat(typeof times === 'number' ? times : 1))
  return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, fromVectorJson(item)]))
}
