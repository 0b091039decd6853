import type { ErrorCode } from './error-codes.js'

/**
 * WebSocket close codes. The retry class is in the number, as y-websocket 3 reads it too:
 * 4400 to 4499 "do not reconnect until something changes", 4500 to 4599 "reconnect with backoff".
 */
export const CloseCode = {
  /** A frame that is malformed, unexpected, or a text frame. */
  protocolError: 4400,
  /** The token is missing or does not verify. */
  unauthorized: 4401,
  /** The token grants no access to this room (stock Yjs clients, whose socket is one room). */
  forbidden: 4403,
  /** The room name in the path is not valid (stock Yjs clients). */
  invalidRoomName: 4404,
  /** The token expired. Reconnecting with a new one is right; with the same one it is not. */
  tokenExpired: 4407,
  /** The room was deleted. */
  roomDeleted: 4410,
  /** A frame, an update or a document beyond the size limit. */
  tooLarge: 4413,
  /** The server does not speak this version of the protocol. */
  unsupportedVersion: 4426,
  /** A fault of the server. */
  internal: 4500,
  /** The node is shutting down. */
  draining: 4501,
  /** The journal is full, or the node sheds load. */
  overloaded: 4503,
  /** The client did not read fast enough, and could not be caught up. */
  slow: 4504,
  /** Nothing arrived for too long, or no HELLO in time. */
  timeout: 4508,
  /** The room could not be loaded now. */
  loadFailed: 4510,
  /** More frames, bytes or connections than the limits allow. */
  rateLimited: 4529,
} as const

/** A close code that Weft sends. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode]

/**
 * What a close code tells a client to do. Everything outside 4400 to 4499 is transient, as in y-websocket 3: a lost
 * network reports 1006, a proxy 1001 or 1012, and neither is a decision of the server.
 */
export const retryClass = (code: number): 'permanent' | 'transient' =>
  isPermanent(code) ? 'permanent' : 'transient'

/** Whether a close code tells a client not to reconnect until something changes. */
export const isPermanent = (code: number): boolean => code >= 4400 && code < 4500

/** The error that a close code tells of where no ERROR frame came before it. */
export const closeErrors: Readonly<Partial<Record<number, ErrorCode>>> = {
  4400: 'invalid_frame',
  4401: 'unauthorized',
  4403: 'forbidden',
  4407: 'token_expired',
  4426: 'unsupported_version',
  4501: 'draining',
  4503: 'overloaded',
  4504: 'slow',
  4508: 'timeout',
  4529: 'rate_limited',
}

/** The close code that tells of an error where the whole connection ends with it. */
export const closeCodeFor = (code: ErrorCode): CloseCode => {
  switch (code) {
    case 'invalid_frame':
    case 'unexpected_frame':
    case 'not_joined':
    case 'already_joined':
    case 'too_many_rooms':
    case 'invalid_update':
    case 'invalid_presence':
    case 'conflict':
    case 'not_empty':
    case 'quarantined':
      return CloseCode.protocolError
    case 'unsupported_version':
      return CloseCode.unsupportedVersion
    case 'unauthorized':
      return CloseCode.unauthorized
    case 'token_expired':
      return CloseCode.tokenExpired
    case 'forbidden':
      return CloseCode.forbidden
    case 'invalid_room_name':
      return CloseCode.invalidRoomName
    case 'room_deleted':
      return CloseCode.roomDeleted
    case 'too_large':
    case 'document_full':
      return CloseCode.tooLarge
    case 'overloaded':
      return CloseCode.overloaded
    case 'load_failed':
      return CloseCode.loadFailed
    case 'rate_limited':
    case 'too_many_connections':
      return CloseCode.rateLimited
    case 'draining':
      return CloseCode.draining
    case 'slow':
      return CloseCode.slow
    case 'timeout':
      return CloseCode.timeout
    case 'out_of_order':
    case 'internal':
      return CloseCode.internal
  }
}
