/** The version of the protocol that this package speaks. */
export const PROTOCOL_VERSION = 1

/*
 * Those that clients look at are constants of their own, so that the rest of the table stays out of a page.
 */
export const roomNameBytes = 512
export const eventNameBytes = 128
export const userBytes = 16 * 1024
export const labelBytes = 64
export const messageBytes = 4096
export const payloadDepth = 32
export const clientIdBytes = 16

/** Limits of the wire itself, the same on every server. */
export const WireLimits = {
  /** A room name, in bytes of UTF-8. */
  roomNameBytes,
  /** The name of a message or broadcast, in bytes of UTF-8. */
  eventNameBytes,
  /** A token, in bytes. */
  tokenBytes: 16 * 1024,
  /** A user id, in bytes of UTF-8: what fits into a token fits here. */
  userBytes,
  /** The client's software in HELLO, in bytes of UTF-8. */
  agentBytes: 256,
  /** The room string of a JOIN, in bytes of UTF-8: past `roomNameBytes` it is no name, past this no frame. */
  roomStringBytes: 64 * 1024,
  /** A code, a session or node name, the name of a limit, in bytes of UTF-8. */
  labelBytes,
  /** The text of NACK, LEFT and ERROR, in bytes of UTF-8; the encoder cuts longer ones. */
  messageBytes,
  /** Nesting of a payload's arrays and maps. */
  payloadDepth,
  /** Nesting of the arrays and objects of a presence state: stock clients compare states recursively. */
  presenceDepth: 32,
  /** The clock of a presence entry, at most: the server announces later ones itself (P33). */
  presenceClock: 2 ** 52,
  /** Length of a client id, in bytes: 128 random bits. */
  clientIdBytes,
  /** Messages that one HISTORY asks for, at most. */
  historyLimit: 1000,
  /** Payload bytes of one SYNC frame, at most: larger state travels in several. */
  syncChunkBytes: 64 * 1024,
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

/** The names of {@link SessionLimits}, as WELCOME carries them. */
export const limitNames = [
  'frameBytes',
  'updateBytes',
  'eventBytes',
  'presenceBytes',
  'roomsPerConnection',
] as const satisfies readonly (keyof SessionLimits)[]
