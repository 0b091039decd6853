/* What the client's side of the codec uses of lib0. A bundler writes an import of its own for every file that imports it. */
export {
  createEncoder,
  toUint8Array,
  write,
  writeFloat64,
  writeUint8Array,
  type Encoder,
} from 'lib0/encoding'
export { decodeUtf8, encodeUtf8 } from 'lib0/string'
