import {
  readPermissions,
  type AuthorizeAnswer,
  type Authorizer,
  type Revocation,
  type Revocations,
} from './auth/index.js'
import type { Bus, ControlCommand } from './bus/index.js'
import type { Gateway } from './gateway/index.js'
import type { Room } from './room/index.js'
import type { Store } from './store/index.js'

export interface ControlDependencies {
  readonly bus: Bus
  readonly store: Pick<Store, 'deleteRoom' | 'revoke'>
  readonly revocations: Revocations
  /** Null without an authorization hook. */
  readonly authorizer: Pick<Authorizer, 'forget'> | null
  readonly gateway: Pick<Gateway, 'sessionsOf'>
  readonly rooms: { find(tenant: string, name: string): Room | null }
}

/**
 * What a program or an operator does to rooms and users, wherever in the cluster their clients are connected. It has happened
 * here when the call returns, and on the other nodes as soon as they hear of it. While the bus is away they do not hear of it
 * (`reaches` tells): a deletion, and what is decided about users, are facts in the store, which they find within a second then.
 */
export class Control {
  private readonly dependencies: ControlDependencies
  private readonly stop: () => void
  private lastDecision = 0

  constructor(dependencies: ControlDependencies) {
    this.dependencies = dependencies
    this.stop = dependencies.bus.onAnnouncement((message) => {
      if (message.kind === 'control') this.run(message.command)
    })
  }

  /** Whether the other nodes can be told now. */
  get reaches(): boolean {
    return this.dependencies.bus.isHealthy
  }

  /** Everybody leaves a room, and may come back at once. */
  closeRoom(room: string, tenant = ''): void {
    this.everywhere({ do: 'close_room', tenant, room })
  }

  /**
   * Deletes a room: everybody leaves it for good, and whoever opens the name again gets a new, empty room.
   * @returns whether there was one
   * @throws {StoreError}
   */
  async deleteRoom(room: string, tenant = ''): Promise<boolean> {
    const id = await this.dependencies.store.deleteRoom(tenant, room)
    if (id !== null) this.everywhere({ do: 'room_deleted', tenant, room, id })
    return id !== null
  }

  /**
   * Ends all connections of a user, and refuses the tokens that were made before (`iat`), or do not say when.
   * @param final whether the clients stay away (close code 4403); otherwise they come back with a new token (4407)
   * @throws {StoreError} the connections have ended where this was heard; it could not be kept, and older tokens may come back
   */
  disconnectUser(user: string, final: boolean, tenant = ''): Promise<void> {
    return this.decide({ do: 'disconnect', tenant, user, final, at: this.now() })
  }

  /**
   * Changes what a user may do in a room, whatever tokens that were made before (or do not say when) grant. A later token counts.
   * @param grant `'read'`, `'write'`, `'admin'`, a list that picks permissions one by one, or null for nothing
   * @throws {StoreError} it counts where it was heard; it could not be kept, and may not count after a restart
   * @throws {TypeError} for something that is no grant
   */
  grant(user: string, room: string, grant: AuthorizeAnswer, tenant = ''): Promise<void> {
    const permissions = grant === null ? null : readPermissions(grant)
    // A misspelt permission must not pass for none.
    if (permissions === undefined || (grant !== null && permissions === null))
      return Promise.reject(new TypeError(`${JSON.stringify(grant)} is not a grant`))
    return this.decide({ do: 'grant', tenant, user, room, permissions, at: this.now() })
  }

  /**
   * Permissions of a user have changed where the authorization hook looks: it is asked again about the rooms that the user
   * is in, and what it answered before counts no more.
   * @param room null for all rooms
   */
  reauthorize(user: string, room: string | null = null, tenant = ''): void {
    this.everywhere({ do: 'reauthorize', tenant, user, room })
  }

  /** A decision that another node has kept. */
  heard(revocation: Revocation): void {
    this.run(revocation)
  }

  dispose(): void {
    this.stop()
  }

  /** It counts at once; that the database is slow, or away, does not hold it up. */
  private decide(revocation: Revocation): Promise<void> {
    this.everywhere(revocation)
    return this.dependencies.store.revoke(revocation)
  }

  /** Later than every decision before it: of two in a millisecond the second counts. */
  private now(): number {
    return (this.lastDecision = Math.max(Date.now(), this.lastDecision + 1))
  }

  private everywhere(command: ControlCommand): void {
    this.run(command)
    this.dependencies.bus.announce({ kind: 'control', command })
  }

  private run(command: ControlCommand): void {
    const { rooms, gateway, revocations, authorizer } = this.dependencies
    switch (command.do) {
      case 'close_room':
        rooms.find(command.tenant, command.room)?.sendAway('draining', 'the room was closed; join it again')
        return
      case 'room_deleted': {
        const room = rooms.find(command.tenant, command.room)
        // By now the name may be that of a new room.
        if (room?.id === command.id) room.end('room_deleted', 'the room has been deleted')
        return
      }
      case 'disconnect':
        // Heard twice, once from the bus and once from the database: those who came back since stay.
        if (!revocations.note(command)) return
        for (const session of gateway.sessionsOf(command.tenant, command.user)) {
          if (session.identity !== null && revocations.refusal(session.identity) !== null)
            session.disconnect(command.final)
        }
        return
      case 'grant':
        if (revocations.note(command)) this.review(command.tenant, command.user, command.room)
        return
      case 'reauthorize':
        authorizer?.forget(command.tenant, command.user, command.room)
        this.review(command.tenant, command.user, command.room)
        return
    }
  }

  private review(tenant: string, user: string, room: string | null): void {
    for (const session of this.dependencies.gateway.sessionsOf(tenant, user)) session.review(room)
  }
}
