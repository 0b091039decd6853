/** The Weft wire protocol, version 1. PROTOCOL.md beside this package's sources is the specification. */
export * from './awareness.js'
export * from './close-codes.js'
export { decodeClientFrame } from './codec-client.js'
export { decodeServerFrame, encodeClientFrame } from './codec-named.js'
export { decodeServerWire, encodeClientWire } from './codec-sdk.js'
export { encodeServerFrame, syncHeader } from './codec-server.js'
export { defaultSessionLimits } from './default-limits.js'
export * from './error-codes.js'
export { ProtocolError, isRetryable } from './errors.js'
export * from './frames.js'
export { encodeUtf8 } from './lib0.js'
export {
  PROTOCOL_VERSION,
  WireLimits,
  clientIdBytes,
  eventNameBytes,
  type SessionLimits,
} from './limits.js'
export { Reader } from './msgpack-reader.js'
export { Writer } from './msgpack-writer.js'
export * from './room-name.js'
export * from './values.js'
export * from './wire.js'
