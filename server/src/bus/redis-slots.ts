/** Slots of a Redis Cluster. */
export const slotCount = 16_384

/** CRC16 as in XMODEM, a byte at a time. */
const crcTable = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)
  return crc
})

/** The slot of a key or sharded channel: of what is between its first braces, if something is. */
export const slotOf = (key: string): number => {
  const open = key.indexOf('{')
  const close = open < 0 ? -1 : key.indexOf('}', open + 1)
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key
  let crc = 0
  for (const byte of Buffer.from(hashed)) crc = ((crc << 8) & 0xff00) ^ (crcTable[(crc >> 8) ^ byte] ?? 0)
  return crc % slotCount
}

/**
 * Hash tags, one for each of so many equal parts of the slots. A cluster gives each of its masters a contiguous part, so that as
 * many tags as there are masters, or a few more, reach all of them.
 */
export const spreadTags = (parts: number): string[] => {
  const tags: string[] = []
  for (let n = 0, left = parts; left > 0; n++) {
    const part = Math.floor((slotOf(String(n)) * parts) / slotCount)
    if (tags[part] !== undefined) continue
    tags[part] = String(n)
    left--
  }
  return tags
}
