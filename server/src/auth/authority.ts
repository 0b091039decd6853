import type { Authorizer } from './authorizer.js'
import type { Permissions } from './permissions.js'
import type { Revocations } from './revocations.js'
import type { Authenticator, Identity } from './types.js'

/** Who is let in, and what they may do: the token, what was decided since it was made, and the application's own say. */
export class Authority implements Authenticator {
  readonly open: boolean
  private readonly authenticator: Authenticator
  private readonly revocations: Revocations
  private readonly authorizer: Authorizer | null
  private readonly turn: () => Promise<void> | null

  /** @param turn waits until a token may be verified: who sends many, of whatever worth, must not keep others from being heard */
  constructor(
    authenticator: Authenticator,
    revocations: Revocations,
    authorizer: Authorizer | null,
    turn: () => Promise<void> | null = () => null,
  ) {
    this.open = authenticator.open
    this.authenticator = authenticator
    this.revocations = revocations
    this.authorizer = authorizer
    this.turn = turn
  }

  async verify(token: string | null): Promise<Identity> {
    const turn = this.turn()
    if (turn !== null) await turn
    const identity = await this.authenticator.verify(token)
    const refusal = this.revocations.refusal(identity)
    if (refusal !== null) throw refusal
    return identity
  }

  /**
   * What an identity may do in a room now; null for nothing. In the order of what counts: a grant given or taken since the token
   * was made, the authorization hook, the token.
   * @throws {ProtocolError} `internal` or `overloaded`, also as a rejection: the hook cannot tell now
   */
  permit(identity: Identity, room: string): Permissions | null | Promise<Permissions | null> {
    const decided = this.revocations.granted(identity, room)
    if (decided !== undefined) return decided
    if (this.authorizer === null) return identity.granted(room)
    const answer = this.authorizer.ask(identity, room)
    if (!(answer instanceof Promise)) return answer
    return answer.then((permissions) => {
      // It may have been decided while the hook was asked.
      const later = this.revocations.granted(identity, room)
      return later === undefined ? permissions : later
    })
  }
}
