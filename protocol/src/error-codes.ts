/* Apart from `errors.ts`, which has the retryable ones once more: a page does not carry the whole table. */

/**
 * The error codes of the protocol, in ERROR and NACK frames, log lines and metrics: one table, one word per thing.
 * `retry` tells whether sending the same thing again may succeed without anybody changing anything.
 */
export const errorCodes = {
  /** The frame is no MessagePack array, or not of the shape that its type asks for. */
  invalid_frame: { retry: false },
  /** The client speaks a version of the protocol that this server does not. */
  unsupported_version: { retry: false },
  /** A frame other than HELLO came first, or a second HELLO. */
  unexpected_frame: { retry: false },
  /** No token where one is needed, or one that does not verify. */
  unauthorized: { retry: false },
  /** The token has expired: get a new one. */
  token_expired: { retry: false },
  /** The token grants no such access to this room. */
  forbidden: { retry: false },
  /** A room name that is empty, too long, or holds NUL or a lone surrogate. */
  invalid_room_name: { retry: false },
  /** A room number that this connection has not joined (or has left). */
  not_joined: { retry: false },
  /** The connection is in this room already, or joining it. */
  already_joined: { retry: false },
  /** One room more than the limit `rooms per connection`. */
  too_many_rooms: { retry: false },
  /** The document is as large as the server allows: only deletions are taken. */
  document_full: { retry: false },
  /** The update does not decode, or would make documents that apply it fail. */
  invalid_update: { retry: false },
  /** The presence frame does not decode, or is more than the limits allow. */
  invalid_presence: { retry: false },
  /** An update, message or presence beyond its size limit. */
  too_large: { retry: false },
  /** A message that was committed before under the same number, with another name or payload. */
  conflict: { retry: false },
  /** A seed of a room whose document has content already. */
  not_empty: { retry: false },
  /** The database refuses this entry for good. It has been set aside, and is not part of the room. */
  quarantined: { retry: false },
  /** The room has been deleted, or deleted and made again. */
  room_deleted: { retry: false },
  /** Changes waiting for the database fill the journal, or joins are shed: come again later. */
  overloaded: { retry: true },
  /** The user or tenant of the token has as many connections as it may. */
  too_many_connections: { retry: true },
  /** The room could not be loaded. Its content is unharmed. */
  load_failed: { retry: true },
  /** An earlier change was refused and has to be sent again before this one. */
  out_of_order: { retry: true },
  /** More frames or bytes than the limit allows. */
  rate_limited: { retry: true },
  /** The node is shutting down. */
  draining: { retry: true },
  /** The client reads more slowly than it is sent to. */
  slow: { retry: true },
  /** Nothing arrived from the client for too long. */
  timeout: { retry: true },
  /** A fault of the server. */
  internal: { retry: true },
} as const satisfies Record<string, { retry: boolean }>

/** A code from the table {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes

/** Whether a string is a code of the table. */
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code)
