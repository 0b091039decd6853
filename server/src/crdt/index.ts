/** What Weft knows of Yjs updates without a Y.Doc: is it valid, what does it hold, what does it build on. No I/O. */
export { contentKey } from './content-key.js'
export { Coverage, type Coverable, type SerializedCoverage } from './coverage.js'
export { UpdateInvalidError } from './errors.js'
export {
  inspectUpdate,
  isLarge,
  LARGE_UPDATE,
  UPDATE_LIMITS,
  type Id,
  type Inspection,
  type LargeUpdateLimits,
  type Link,
  type Range,
  type UpdateLimits,
} from './inspect.js'
export { RangeSet } from './range-set.js'
export { decodeStateVector, encodeStateVector } from './state-vector.js'
export { trimKnown } from './trim-known.js'
