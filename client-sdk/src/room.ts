/* One room of a client: its document, its outbox, its events, its presence, and where they stand against the server. */
import {
  accessFrame,
  ackFrame,
  broadcastedFrame,
  eventFrame,
  fullMode,
  isRetryable,
  leftFrame,
  nackFrame,
  presenceFrame,
  presencesFrame,
  syncFrame,
  updatesFrame,
  usersFrame,
  watermarkFrame,
  writeAccess,
  type Access,
  type JoinedWire,
} from '@weft/protocol'
import { Awareness } from 'y-protocols/awareness'
import * as Y from './yjs.js'
import { applyUpdates } from './apply.js'
import { createBroadcasts } from './broadcasts.js'
import { createEmitter } from './emitter.js'
import { WeftError, tooLarge } from './errors.js'
import { createLocalChanges } from './local-changes.js'
import { isEmpty, missingDeletes } from './missing.js'
import { createPresence } from './presence.js'
import type { RoomContext } from './room-context.js'
import type { RoomCore, RoomReceivers } from './room-core.js'
import type { RoomHost } from './room-host.js'
import { createStateSync } from './state-sync.js'
import { createTimer, retryDelay } from './timer.js'
import { createTurns } from './turns.js'
import type { Reset, RoomEvents, RoomStatus } from './types.js'
import { createWaiters, handled } from './waiters.js'

export const createRoom = (name: string, doc: Y.Doc, firstNumber: number, client: RoomHost): RoomCore => {
  const { memberships } = client
  const emitter = createEmitter<RoomEvents>(client.logger)
  const { emit } = emitter
  const syncers = createWaiters()
  const retry = createTimer(client.clock)
  const state = createStateSync()
  let references = 1
  let status: RoomStatus = 'offline'
  let access: Access | null = null
  /** It could write once: what it wrote is kept when it may only read. */
  let wrote = false
  /** The first full state has come. */
  let complete = false
  let failures = 0
  let denial: WeftError | null = null
  /** Set when the room is left. */
  let over: WeftError | null = null

  /** A listener may have ended it meanwhile. */
  const hasLeft = (): boolean => !!over

  /** What was made under a wider grant is kept, not refused (P80). */
  const mayNot = (): boolean => wrote && access === 'read'

  const unsaved = (): number => sender.outbox.unsaved + (keeper?.unsaved ?? 0)

  /** Updates that are on their way: this client's, and those of closed tabs that it has taken over. */
  const pending = (): Uint8Array[] => [...(keeper?.updates ?? []), ...sender.outbox.updates]

  const setStatus = (next: RoomStatus): void => {
    if (next !== status) emit('status', (status = next))
  }

  const setAccess = (next: Access | null): void => {
    if (next === access) return
    wrote ||= next === 'write'
    emit('access', (access = next))
  }

  const fail = (code: string, message: string, cause?: unknown): void => {
    const error = new WeftError(code, `${message} in room '${name}'`, cause)
    client.logger.error(`weft: ${error.message}`, cause)
    emit('error', error)
  }

  const notLoaded = (cause: unknown): void => fail('not_loaded', 'code could not be loaded', cause)

  const failed = (what: string, cause: unknown): void =>
    fail('apply_failed', `${what} could not be applied`, cause)

  const onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === room || origin === keeper) return
    store?.applied([update])
    sender.add(update)
  }

  const apply = (updates: readonly Uint8Array[]): void => {
    store?.applied(updates)
    applyUpdates(doc, updates, room, failed)
  }

  const counted = (): void => emit('unsaved', unsaved())

  const leaveWhenSaved = (): void => {
    if (references < 1 && (denial || sender.outbox.unsaved < 1)) end(leftError())
  }

  const settled = (): void => {
    if (unsaved() < 1) emit('saved', undefined)
    leaveWhenSaved()
  }

  const join = (): void => {
    // What was kept comes first: it says what to ask for.
    if (!client.link.connected || keeper?.restoring) return
    setStatus('joining')
    memberships.join(room)
  }

  const joinLater = (retryAfter = 0): void => {
    setStatus('joining')
    retry.start(retryAfter + retryDelay(failures++, client.random), join)
  }

  /** The membership is over: nothing is sent or expected until the next one. */
  const suspend = (): void => {
    turns.stop()
    state.stop()
    sender.rewind()
    presence.down()
    events.down()
  }

  /** Ends the membership, and asks for a new one. */
  const rejoin = (again = join): void => {
    memberships.leave(room)
    suspend()
    again()
  }

  /** Tells those who wait that it is in vain. */
  const failWaiting = (error: WeftError): void => {
    sender.fail(error)
    keeper?.fail(error)
    syncers.fail(error)
  }

  /** The server wants the room joined later, or not at all. */
  const refused = (code: string, message: string, retryAfter = 0): void => {
    if (isRetryable(code)) {
      joinLater(retryAfter)
      return
    }
    const error = new WeftError(code, message)
    denial = error
    setAccess(null)
    setStatus('denied')
    failWaiting(error)
    emit('error', error)
    // Nobody is left to do anything about it.
    if (references < 1) end(error)
  }

  const end = (error: WeftError): void => {
    if (over) return
    over = leftError()
    turns.stop()
    memberships.leave(room)
    retry.stop()
    sender.rewind()
    doc.off('update', onUpdate)
    presence.destroy()
    state.stop()
    setStatus('left')
    changes.end(error)
    failWaiting(error)
    store?.close()
    broadcasts.end()
    emitter.clear()
    client.released(room, sender.outbox.nextNumber)
  }

  /** Goes on with a new document, in which `kept` is applied. */
  const reset = (reason: Reset['reason'], lost: readonly Uint8Array[], kept: readonly Uint8Array[]): void => {
    const previous = doc
    previous.off('update', onUpdate)
    doc = new Y.Doc({ gc: previous.gc })
    store?.replaced()
    apply(kept)
    doc.on('update', onUpdate)
    state.forget()
    complete = false
    presence.rebind(new Awareness(doc))
    emit('reset', {
      reason,
      doc,
      awareness: presence.awareness,
      previous,
      unsaved: lost,
    })
    counted()
  }

  const sendPresence = (awareness: Uint8Array): void => {
    const { number } = context
    const { limits } = client
    if (number === null || !limits) return
    const excess = tooLarge('presence', awareness, limits.presenceBytes)
    if (excess) fail('too_large', excess)
    else client.link.send([presenceFrame, number, awareness])
  }

  /** The next visit begins behind both: what the document holds, and which events were heard. */
  const keepPosition = (): void => {
    const { watermark } = state
    if (watermark !== null) store?.position(Math.min(watermark, events.heard))
  }

  const reached = (seq: number): void => {
    events.reached(seq)
    keepPosition()
  }

  const keeper = client.persistence?.room(name, {
    get doc() {
      return doc
    },
    get epoch() {
      return state.epoch
    },
    change: (n) => sender.outbox.find(n),
    resume: (epoch, watermark) => {
      state.resume(epoch, watermark)
      if (watermark !== null) events.resume(watermark)
    },
    counted,
    settled,
    get changes() {
      return changes
    },
  })
  const store = keeper?.store
  const context: RoomContext = {
    client,
    get number() {
      return memberships.roomOf(room)
    },
    get access() {
      return access
    },
    get held() {
      return turns.waiting || mayNot()
    },
    get over() {
      return over
    },
    store,
    emit,
    counted,
    settled,
    caughtUp: keepPosition,
    apply,
    replace: (lost, kept) => {
      reset('rejected', lost, kept)
      if (!hasLeft()) rejoin()
    },
    failed,
    notLoaded,
  }
  const turns = createTurns(
    () => sender.flush(),
    (cause) => {
      notLoaded(cause)
      rejoin(joinLater)
    },
  )
  const changes = createLocalChanges(
    firstNumber,
    context,
    (query) => memberships.read(room, query),
    (n, error) => turns.setback(({ refuse }) => refuse(changes, n, error)),
  )
  const { sender, events } = changes
  const broadcasts = createBroadcasts(context)
  const presence = createPresence<Record<string, unknown>>(new Awareness(doc), {
    client,
    send: sendPresence,
    changed: () => emit('presence', presence.others),
  })

  const receivers: RoomReceivers = {
    [updatesFrame]: apply,
    [syncFrame]: (part, data) => {
      const synced = state.take(part, data)
      if (!synced) return
      const { updates, deletes, head } = synced
      apply(updates)
      try {
        // Of what the document had deleted before, some may be news to the server.
        const missing = deletes && missingDeletes(deletes, [...updates, ...pending()])
        if (missing) sender.add(missing, true)
      } catch (thrown) {
        failed('the initial deletes', thrown)
      }
      reached(head)
      failures = 0
      complete = true
      setStatus('live')
      syncers.settle(Infinity)
      emit('synced', undefined)
    },
    [ackFrame]: sender.acknowledge,
    [nackFrame]: (n, code, message) => {
      // Under way when the grant was taken: kept with the others (P80).
      if (mayNot() && code === 'forbidden') return
      if (code !== 'not_joined') {
        sender.refused(n, code, message)
        return
      }
      // Nothing was decided about the change: it is sent again after the next JOINED (P14).
      memberships.forget(room)
      suspend()
      joinLater()
    },
    [accessFrame]: (granted, message) => {
      setAccess(granted === writeAccess ? 'write' : 'read')
      if (granted === writeAccess) rejoin()
      else emit('error', new WeftError('forbidden', message))
    },
    [presencesFrame]: (awareness) => {
      try {
        presence.receive(awareness)
      } catch (thrown) {
        failed('a presence update', thrown)
      }
    },
    [watermarkFrame]: (seq) => {
      if (state.reached(seq)) reached(seq)
    },
    [leftFrame]: (code, message) => {
      suspend()
      if (code === 'left') joinLater()
      else refused(code, message)
    },
    [eventFrame]: (...message) => events.receive(message),
    [broadcastedFrame]: broadcasts.receive,
    [usersFrame]: presence.receiveUsers,
  }

  /** Waits for something that may be done already, unless nothing can come of it. */
  const waitUnless = (done: boolean, wait: () => Promise<unknown>): Promise<void> =>
    handled(
      (async () => {
        const error = over ?? denial ?? client.denial
        if (done) return
        if (error) throw error
        await wait()
      })(),
    )

  /** The room has been joined: the state comes. */
  const enter = (frame: JoinedWire): void => {
    const [, , , , head, granted] = frame
    setAccess(granted === writeAccess ? 'write' : 'read')
    events.joined(state.from(frame), head)
    const missing = state.begin(frame, doc, pending(), client.limits?.updateBytes ?? 0)
    store?.joined()
    setStatus('syncing')
    if (missing) sender.add(missing, true)
    sender.flush()
    // A listener may have ended it all.
    if (context.number !== null) presence.up()
  }

  const room: RoomCore = {
    name,
    get doc() {
      return doc
    },
    get awareness() {
      return presence.awareness
    },
    events,
    presence,
    get status() {
      return status
    },
    get access() {
      return access
    },
    get unsaved() {
      return unsaved()
    },
    on: emitter.on,
    synced: () => waitUnless(complete && !over, () => syncers.wait(0)),
    saved: () => waitUnless(unsaved() < 1, () => Promise.all([sender.saved(), keeper?.delivered()])),
    loaded: () => restored,
    stored: async () => (await store?.stored()) ?? false,
    broadcast: broadcasts.send,
    onBroadcast: broadcasts.on,
    // Nobody can fill what is known to have been filled.
    seed: (fill) => changes.seed(fill, () => isEmpty(doc)),
    retain: () => {
      const { awareness } = presence
      if (++references < 2 && !awareness.getLocalState()) awareness.setLocalState({})
    },
    leave: () => {
      if (references < 1 || --references) return
      // Sent at once: the others need not wait for the last ack.
      presence.awareness.setLocalState(null)
      leaveWhenSaved()
    },
    end,
    setIdle: presence.setIdle,
    up: () => {
      if (over || denial?.code === 'room_deleted') return
      // A new connection may carry a new token.
      denial = null
      failures = 0
      join()
    },
    down: () => {
      retry.stop()
      suspend()
      if (status !== 'denied') setStatus('offline')
    },
    connectionDenied: failWaiting,
    holding: () => state.holding(doc),
    joined: (frame) => {
      const [, , , epoch, , , mode] = frame
      if (state.epoch === null || state.epoch === epoch) enter(frame)
      else
        turns.setback(({ recreated }) => {
          // The room was deleted and made again: nothing of the old one has a meaning.
          const error = new WeftError('room_reset', 'the room was deleted and made again')
          const lost = [...(keeper?.recreated(epoch, error) ?? []), ...recreated(changes, error)]
          state.epoch = null
          reset('recreated', lost, [])
          if (hasLeft()) return
          // The server left out what the old document seemed to hold: ask again, with nothing in hand (P20).
          if (mode === fullMode) enter(frame)
          else rejoin()
        })
    },
    refused,
    frame: ([type, , ...fields]) =>
      turns.take(() => (receivers[type] as (...fields: unknown[]) => void)(...fields)),
  }

  doc.on('update', onUpdate)
  const restore = async (): Promise<boolean> => {
    const restored = (await keeper?.restore()) ?? false
    if (keeper && status === 'offline') join()
    return restored
  }
  const restored = restore()
  return room
}

const leftError = (): WeftError => new WeftError('room_left', 'the room was left')
