/* The token of an upgrade request, and the subprotocol of its answer (P81). */

const bearerProtocol = 'weft.bearer.'

export interface UpgradeToken {
  /** Null when the request has none. */
  readonly token: string | null
  /** What the answer selects of the subprotocols that were offered, '' when none was; null when only a token was. */
  readonly protocol: string | null
}

/**
 * @param authorization the header `Authorization`, or ''
 * @param protocols the header `Sec-WebSocket-Protocol`, or ''
 */
export const upgradeToken = (authorization: string, protocols: string): UpgradeToken => {
  const offered = protocols.split(',').map((name) => name.trim())
  const bearer = offered.find((name) => name.startsWith(bearerProtocol))
  // The answer must name one that was offered. It never repeats the token: answers are logged more often than requests.
  const [protocol = null] = offered.filter((name) => !name.startsWith(bearerProtocol))
  const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1] ?? bearer?.slice(bearerProtocol.length) ?? null
  return { token, protocol }
}
