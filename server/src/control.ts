import type { Access } from '@weft/protocol'
import type { Bus, ControlCommand } from './bus/index.js'
import type { Gateway } from './gateway/index.js'
import type { Room } from './room/index.js'
import type { Store } from './store/index.js'

export interface ControlDependencies {
  readonly bus: Bus
  readonly store: Pick<Store, 'deleteRoom'>
  readonly gateway: Pick<Gateway, 'sessionsOf'>
  readonly rooms: { find(tenant: string, name: string): Room | null }
}

/**
 * What a program or an operator does to rooms and users, wherever in the cluster their clients are connected. It has happened
 * here when the call returns, and on the other nodes as soon as they hear of it. While the bus is away they do not hear of it
 * (`reaches` tells): only a deletion is a fact in the store, which the sweep finds.
 */
export class Control {
  private readonly dependencies: ControlDependencies
  private readonly stop: () => void

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
   * Ends all connections of a user.
   * @param final whether the clients stay away (close code 4403); otherwise they come back with a new token (4407)
   */
  disconnectUser(user: string, final: boolean, tenant = ''): void {
    this.everywhere({ do: 'disconnect', tenant, user, final })
  }

  /**
   * Changes what the connections that a user has now may do in a room; null for nothing. A later connection does what its
   * token says.
   */
  grant(user: string, room: string, access: Access | null, tenant = ''): void {
    this.everywhere({ do: 'grant', tenant, user, room, access })
  }

  dispose(): void {
    this.stop()
  }

  private everywhere(command: ControlCommand): void {
    this.run(command)
    this.dependencies.bus.announce({ kind: 'control', command })
  }

  private run(command: ControlCommand): void {
    const { rooms, gateway } = this.dependencies
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
        for (const session of gateway.sessionsOf(command.tenant, command.user))
          session.disconnect(command.final)
        return
      case 'grant':
        for (const session of gateway.sessionsOf(command.tenant, command.user)) {
          session.grant(command.room, command.access)
        }
        return
    }
  }
}
