/* Ephemeral messages of one room. */
import { decodeValue, type Access, type BroadcastedFrame } from '@weft/protocol'
import { Emitter, type Unsubscribe } from './emitter.js'
import { WeftError } from './errors.js'
import { encodePayload } from './payload.js'
import type { Wire } from './room-wire.js'
import type { Broadcast, Logger } from './types.js'

/** What broadcasts need of their room. */
export interface BroadcastsHost {
  readonly logger: Logger
  /** What the client may do in the room. */
  access(): Access | null
  failed(message: string, cause: unknown): void
}

export class Broadcasts {
  private readonly wire: Wire
  private readonly host: BroadcastsHost
  private readonly emitter: Emitter<Record<string, Broadcast>>

  constructor(wire: Wire, host: BroadcastsHost) {
    this.wire = wire
    this.host = host
    this.emitter = new Emitter(host.logger)
  }

  /** Sends, or drops when that is not possible now: what waits would be out of date. */
  send(name: string, payload: unknown): boolean {
    const bytes = encodePayload(name, payload)
    const { limits, number, congested } = this.wire
    if (limits === null || number === null) return false
    if (bytes.length > limits.eventBytes)
      throw new WeftError(
        'too_large',
        `the broadcast has ${bytes.length} bytes and may have ${limits.eventBytes}`,
      )
    if (this.host.access() === 'read')
      throw new WeftError('forbidden', 'a grant to read is none to broadcast')
    if (congested) return false
    this.wire.send({ type: 'broadcast', room: number, name, payload: bytes })
    return true
  }

  on<Name extends string>(name: Name, listener: (message: Broadcast<Name>) => void): Unsubscribe {
    // Under a name only broadcasts of that name are emitted.
    return this.emitter.on(name, listener as (message: Broadcast) => void)
  }

  receive({ name, author, payload }: BroadcastedFrame): void {
    let value: unknown
    try {
      value = decodeValue(payload)
    } catch (thrown) {
      this.host.failed(`the payload of broadcast '${name}' could not be read`, thrown)
      return
    }
    this.emitter.emit(name, { name, payload: value, author })
  }

  end(): void {
    this.emitter.clear()
  }
}
