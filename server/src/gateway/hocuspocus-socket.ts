/* The socket of a HocuspocusProvider, as one of its documents meets it. */
import type { ProtocolError } from '@weft/protocol'
import type { Identity } from '../auth/index.js'
import type { HocuspocusDocument } from './hocuspocus-document.js'
import type { SessionContext } from './session.js'
import type { Socket } from './socket.js'
import type { StatusSocket } from './status-sender.js'

export interface HocuspocusSocket extends StatusSocket {
  readonly socket: Socket
  readonly context: SessionContext
  readonly isDraining: boolean
  /** Of the upgrade request: for providers that send none (P81). */
  readonly upgradeToken: string | null
  /** A name for the next membership: no two have the same. */
  nextConnection(): string
  /** @throws {ProtocolError} when it is another user than that of the other documents */
  checkUser(document: HocuspocusDocument, identity: Identity): void
  /** Whose the token is. @throws {ProtocolError} too_many_connections */
  identified(identity: Identity): void
  /** A token was good: the client is no stranger any more. */
  authenticated(): void
  /** A token was none, or grants nothing here. */
  denied(): void
  /** The document may be forgotten. */
  forget(address: string): void
  /** Every change of the document is committed. */
  settled(): void
  /** Ends the whole connection: the provider comes back by itself, with all its documents. */
  failAll(error: ProtocolError): void
  suspendOthers(document: HocuspocusDocument): void
  resumeOthers(): void
}
