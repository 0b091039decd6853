/** The version of the protocol that this package speaks. */
export const PROTOCOL_VERSION = 1

/** Limits of the wire itself, the same on every server. */
export const WireLimits = {
  /** A room name, in bytes of UTF-8. */
  roomNameBytes: 512,
  /** The name of a message or broadcast, in bytes of UTF-8. */
  eventNameBytes: 128,
  /** A token, in bytes. */
  tokenBytes: 16 * 1024,
  /** Nesting of a payload's arrays and maps. */
  payloadDepth: 32,
  /** Length of a client id, in bytes: 128 random bits. */
  clientIdBytes: 16,
  /** Payload bytes of one SYNC frame, at most: larger state travels in several. */
  syncChunkBytes: 256 * 1024,
} as const

/** Limits that a server tells its clients in WELCOME; each is a setting of the server. */
export interface SessionLimits {
  /** A whole frame, in bytes. */
  readonly frameBytes: number
  /** One Yjs update, in bytes. */
  readonly updateBytes: number
  /** One message or broadcast payload, in bytes. */
  readonly eventBytes: number
  /** One presence state (its JSON), in bytes. */
  readonly presenceBytes: number
  /** Rooms joined at once on one connection. */
  readonly roomsPerConnection: number
}

/** What a server uses when nothing else is set. */
export const defaultSessionLimits: SessionLimits = {
  frameBytes: 32 * 1024 * 1024,
  updateBytes: 16 * 1024 * 1024,
  eventBytes: 64 * 1024,
  presenceBytes: 16 * 1024,
  roomsPerConnection: 1000,
}
