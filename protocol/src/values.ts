/* Free-form payloads (messages, broadcasts) as JavaScript values. */
import { Packr, Unpackr } from 'msgpackr'
import { ProtocolError } from './errors.js'
import { WireLimits } from './limits.js'
import { Reader } from './msgpack.js'

const options = { useRecords: false, mapsAsObjects: true, encodeUndefinedAsNil: true, int64AsType: 'number' } as const
const packr = new Packr(options)
const unpackr = new Unpackr(options)

/**
 * Encodes a payload as plain MessagePack: null, booleans, numbers, strings, Uint8Array, arrays and plain objects.
 * @throws {ProtocolError} `invalid_frame` for anything else (functions, dates, class instances, cycles, deep nesting)
 */
export const encodeValue = (value: unknown): Uint8Array => {
  checkPlain(value, WireLimits.payloadDepth)
  return new Uint8Array(packr.pack(value))
}

/**
 * Decodes a payload.
 * @throws {ProtocolError} `invalid_frame` when the bytes are not one value of plain MessagePack
 */
export const decodeValue = (bytes: Uint8Array): unknown => {
  const reader = new Reader(bytes)
  reader.skip('the payload', WireLimits.payloadDepth)
  if (!reader.atEnd) throw new ProtocolError('invalid_frame', 'bytes follow the payload')
  const value: unknown = unpackr.unpack(bytes)
  return value
}

const checkPlain = (value: unknown, depth: number): void => {
  switch (typeof value) {
    case 'undefined':
    case 'boolean':
    case 'string':
      return
    case 'number':
      return
    case 'object': {
      if (value === null || value instanceof Uint8Array) return
      if (depth === 0) {
        throw new ProtocolError('invalid_frame', 'the payload is nested too deeply, or refers to itself')
      }
      if (Array.isArray(value)) {
        for (const item of value) checkPlain(item, depth - 1)
        return
      }
      const prototype: unknown = Object.getPrototypeOf(value)
      if (prototype === Object.prototype || prototype === null) {
        for (const item of Object.values(value)) checkPlain(item, depth - 1)
        return
      }
      throw new ProtocolError('invalid_frame', `the payload holds a ${value.constructor.name}, which has no place in it`)
    }
    case 'bigint':
    case 'function':
    case 'symbol':
      throw new ProtocolError('invalid_frame', `the payload holds a ${typeof value}, which has no place in it`)
  }
}
