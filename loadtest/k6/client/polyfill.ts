/*
 * What the codec takes from the platform and k6's runtime does not have. Injected before everything else in a bundle.
 */
import { _decodeUtf8Polyfill, _encodeUtf8Polyfill } from 'lib0/string'

/** As the standard's, of whole strings. */
class Utf8Encoder {
  encode(text: string): Uint8Array {
    return _encodeUtf8Polyfill(text)
  }
}

/** As the standard's with `fatal: true`, of whole strings in UTF-8. */
class Utf8Decoder {
  decode(bytes: Uint8Array): string {
    return _decodeUtf8Polyfill(bytes)
  }
}

const platform: Record<string, unknown> = globalThis
platform['TextEncoder'] ??= Utf8Encoder
platform['TextDecoder'] ??= Utf8Decoder
