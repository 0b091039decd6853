/* The content of `vectors/*.json`, made from the cases: `npm run vectors -w protocol` writes it down. */
import { writeAwareness } from '../awareness.js'
import { encodeClientFrame } from '../codec-named.js'
import { encodeServerFrame } from '../codec-server.js'
import { FrameType, type ClientFrame, type ServerFrame, type UnknownFrame } from '../frames.js'
import { decodeValue } from '../values.js'
import { clientCases } from './client-cases.js'
import type { FrameCase } from './frame-cases.js'
import {
  awarenessCases,
  invalidAwarenessBounds,
  invalidAwarenessCases,
  invalidCases,
} from './invalid-cases.js'
import { serverCases } from './server-cases.js'
import { toHex, toVectorJson, type VectorJson } from './vector-json.js'

const frameVector = <F extends ClientFrame | ServerFrame>(
  { name, rules, frame, bytes }: FrameCase<F>,
  encode: (frame: F) => Uint8Array,
): VectorJson => ({
  name,
  rules: [...rules],
  number: isUnknown(frame) ? frame.number : FrameType[frame.type],
  frame: toVectorJson(frame),
  ...('events' in frame
    ? { values: frame.events.map(({ payload }) => toVectorJson(decodeValue(payload))) }
    : {}),
  ...('payload' in frame ? { value: toVectorJson(decodeValue(frame.payload)) } : {}),
  // What an encoder writes: every value in its shortest encoding, no surplus.
  canonical: bytes === undefined,
  hex: toHex(bytes ?? encode(known(frame))),
})

const isUnknown = (frame: ClientFrame | ServerFrame | UnknownFrame): frame is UnknownFrame =>
  frame.type === 'unknown'

const known = <F extends ClientFrame | ServerFrame>(frame: F | UnknownFrame): F => {
  if (isUnknown(frame)) throw new Error('an unknown frame needs bytes of its own')
  return frame
}

/** Every vector file by its name. */
export const vectorFiles = (): Record<string, VectorJson> => ({
  'client-frames.json': clientCases.map((item) => frameVector(item, encodeClientFrame)),
  'server-frames.json': serverCases.map((item) => frameVector(item, encodeServerFrame)),
  'invalid-frames.json': invalidCases.map(({ name, rules, sender, code, bytes }) => ({
    name,
    rules: [...rules],
    sender,
    code,
    hex: toHex(bytes),
  })),
  'awareness.json': {
    valid: awarenessCases.map(({ name, entries }) => ({
      name,
      entries: toVectorJson(entries),
      hex: toHex(writeAwareness(entries)),
    })),
    invalid: {
      ...invalidAwarenessBounds,
      cases: invalidAwarenessCases.map(({ name, code, bytes }) => ({ name, code, hex: toHex(bytes) })),
    },
  },
})

/** A vector file as text: one vector a line. */
export const printVectors = (content: VectorJson): string => `${print(content, 0)}\n`

const print = (json: VectorJson, level: number): string => {
  const indent = '  '.repeat(level + 1)
  const end = '  '.repeat(level)
  if (Array.isArray(json))
    return `[\n${json.map((item) => indent + JSON.stringify(item)).join(',\n')}\n${end}]`
  if (typeof json !== 'object' || json === null) return JSON.stringify(json)
  const lines = Object.entries(json).map(
    ([key, item]) => `${indent}${JSON.stringify(key)}: ${print(item, level + 1)}`,
  )
  return `{\n${lines.join(',\n')}\n${end}}`
}
