/*
 * What the codec takes from the platform and k6's runtime does not have. Injected before everything else in a bundle.
 */

/** As the standard's, for UTF-8: whole strings only. */
class Utf8Encoder {
  encode(text: string): Uint8Array {
    const ascii = unescape(encodeURIComponent(text))
    const bytes = new Uint8Array(ascii.length)
    for (let i = 0; i < ascii.length; i++) bytes[i] = ascii.charCodeAt(i)
    return bytes
  }
}

/** As the standard's with `fatal: true`, for UTF-8: whole strings only. */
class Utf8Decoder {
  decode(bytes: Uint8Array): string {
    let ascii = ''
    for (const byte of bytes) ascii += String.fromCharCode(byte)
    try {
      return decodeURIComponent(escape(ascii))
    } catch {
      throw new TypeError('The encoded data is not valid UTF-8.')
    }
  }
}

const platform: Record<string, unknown> = globalThis
platform['TextEncoder'] ??= Utf8Encoder
platform['TextDecoder'] ??= Utf8Decoder
