/* Changes that a Weft client makes: which are taken, and what the others are told (P21 to P24). */
import {
  isRetryable,
  type AppendFrame,
  type ErrorCode,
  type SeedFrame,
  type UpdateFrame,
} from '@weft/protocol'
import { inspectUpdate, isLarge, type Inspection } from '../crdt/index.js'
import type { Room } from '../room/index.js'
import type { Membership } from './membership.js'
import { tellable, type SessionContext } from './session.js'

/** The connection that a change came on. */
export interface ChangeSource {
  readonly context: SessionContext
  /** The node shuts down: no change is taken any more. */
  readonly isDraining: boolean
}

/** Takes an update or a seed. @returns null when it was taken or refused at once. Later frames of the connection wait for the promise. */
export const takeUpdate = (
  source: ChangeSource,
  member: Membership,
  frame: UpdateFrame | SeedFrame,
): Promise<void> | null => {
  const { update, n } = frame
  if (!mayChange(source, member, n, member.permissions.write)) return null
  const { updateBytes } = source.context.limits
  if (update.length > updateBytes) {
    nack(source, member, n, 'too_large', `an update has at most ${updateBytes} bytes`)
    return null
  }
  if (refusesNow(source, member, n, update.length)) return null
  if (isLarge(update)) return takeLargeUpdate(source, member, frame)
  let inspection: Inspection
  try {
    inspection = inspectUpdate(update)
  } catch (error) {
    invalid(source, member, n, error)
    return null
  }
  accept(source, member, frame, update, inspection)
  return null
}

const takeLargeUpdate = async (
  source: ChangeSource,
  member: Membership,
  frame: UpdateFrame | SeedFrame,
): Promise<void> => {
  const { n, update } = frame
  let checked: Awaited<ReturnType<Room['inspectLarge']>>
  try {
    // A seed that is sent again is known by its bytes (P56).
    checked = await member.room.inspectLarge(update, frame.type === 'seed')
  } catch (error) {
    invalid(source, member, n, error)
    return
  }
  if (member.hasLeft || forbidden(source, member, n, member.permissions.write)) return
  if (refusesNow(source, member, n, checked.update.length)) return
  member.channel.loop.run(() => accept(source, member, frame, checked.update, checked.inspection))
}

const accept = (
  source: ChangeSource,
  member: Membership,
  { type, n }: UpdateFrame | SeedFrame,
  update: Uint8Array,
  inspection: Inspection,
): void => {
  if (!member.room.intake.admits(inspection)) {
    nack(source, member, n, 'overloaded', 'too much waits for changes that never came')
    return
  }
  if (!grows(source, member, n, update, inspection)) return
  if (type === 'seed' && member.room.intake.isFilledWithout(inspection)) {
    nack(source, member, n, 'not_empty', 'the document has content already')
    return
  }
  member.decided(n)
  if (type === 'seed') member.room.seed(member, n, update, inspection)
  else member.room.change(member, n, update, inspection)
}

/** Whether the document may become so large. Refused otherwise (P76). */
const grows = (
  source: ChangeSource,
  member: Membership,
  n: number,
  update: Uint8Array,
  inspection: Inspection,
): boolean => {
  const growth = member.room.intake.growth(inspection, update.length)
  if (growth === 'fits') return true
  if (growth === 'full') {
    source.context.observer.limited('document')
    nack(source, member, n, 'document_full', 'the document is as large as it may be')
  } else nack(source, member, n, 'overloaded', 'how large the document is is not known yet')
  return false
}

/** Takes a durable message, or refuses it. */
export const takeMessage = (source: ChangeSource, member: Membership, frame: AppendFrame): void => {
  const { n, name, payload } = frame
  if (!mayChange(source, member, n, member.permissions.events)) return
  const { eventBytes } = source.context.limits
  if (payload.length > eventBytes) {
    nack(source, member, n, 'too_large', `a payload has at most ${eventBytes} bytes`)
    return
  }
  if (name.includes('\0')) {
    nack(source, member, n, 'invalid_frame', 'the name holds a NUL character')
    return
  }
  if (refusesNow(source, member, n, payload.length)) return
  member.decided(n)
  member.room.append(member, n, name, payload)
}

/** Whether it is this change's turn, and the member's grant allows it. Refused or passed over otherwise. */
const mayChange = (source: ChangeSource, member: Membership, n: number, granted: boolean): boolean => {
  // After a retryable refusal nothing later is taken before the refused change comes again (P23).
  if (member.refused !== null && n > member.refused) {
    nack(source, member, n, 'out_of_order', `change ${member.refused} comes before it`)
    return false
  }
  // Taken already, and settled by its own ACK or NACK: the client sent it again because of a refusal that crossed it on
  // the way. A number left out was refused for good in an earlier connection.
  if (n < (member.refused ?? member.next)) return false
  return !forbidden(source, member, n, granted)
}

/** To be asked once more when a worker has answered: the grant may have been taken meanwhile. */
const forbidden = (source: ChangeSource, member: Membership, n: number, granted: boolean): boolean => {
  if (!granted) nack(source, member, n, 'forbidden', 'the grant does not allow this change')
  return !granted
}

/** Refuses a change that may be taken later. To be asked right before it is taken: a worker's answer takes a while. */
const refusesNow = (source: ChangeSource, member: Membership, n: number, bytes: number): boolean => {
  if (source.isDraining) nack(source, member, n, 'draining', 'the node is shutting down')
  else if (!member.room.intake.hasRoom(bytes)) {
    nack(source, member, n, 'overloaded', 'too many changes wait for the database')
  } else if (member.room.isBehindWithAcks(member)) {
    nack(source, member, n, 'overloaded', 'too many changes of this client wait for their acknowledgement')
  } else return false
  return true
}

const invalid = (source: ChangeSource, member: Membership, n: number, error: unknown): void => {
  const told = tellable(error)
  if (told === null) source.context.observer.fault('inspecting an update failed', error)
  const message = told?.message ?? 'the update could not be checked now'
  nack(source, member, n, told?.code ?? 'overloaded', message)
}

const nack = (
  source: ChangeSource,
  member: Membership,
  n: number,
  code: ErrorCode,
  message: string,
): void => {
  source.context.observer.error(code)
  // A final refusal settles n; a retryable one waits for n to come again.
  if (!isRetryable(code)) member.decided(n)
  else member.refused ??= n
  member.nack(n, code, message)
}
