import type { RoomMember } from './types.js'

const nothing = (): void => undefined

/** Whom a change belongs to that this node journals for another one: nobody here waits for its ack. */
export const nobody: RoomMember = {
  user: null,
  connection: '',
  clientId: null,
  access: 'write',
  ack: nothing,
  nack: nothing,
  end: nothing,
}
