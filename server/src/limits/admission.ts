import { ProtocolError } from '@weft/protocol'
import { ConnectionCounts, uncounted, type Counted } from './connection-counts.js'
import { Handshakes } from './handshakes.js'
import type { LimitName } from './names.js'
import { ClientAddresses } from './networks.js'
import type { SharedLimits } from './shared-limits.js'

export interface AdmissionLimits {
  readonly maxConnections: number
  readonly maxConnectionsPerTenant: number
  readonly maxConnectionsPerUser: number
  readonly maxConnectionsPerIp: number
  readonly maxHandshakesPerIp: number
  readonly trustedProxies: readonly string[] | undefined
}

/** Why a handshake is refused. */
export interface Refused {
  readonly limit: LimitName
  readonly status: string
  readonly message: string
  readonly retryAfterSeconds: number
}

/** Seconds after which it may be worth to ask again where connections have to end first. */
const fullSeconds = 5

/** Who may connect: every limit on connections and handshakes. */
export class Admission {
  readonly addresses: ClientAddresses
  private readonly maxConnections: number
  private readonly perIp: ConnectionCounts
  private readonly perUser: ConnectionCounts
  private readonly perTenant: ConnectionCounts
  private readonly handshakes: Handshakes
  private readonly limited: (limit: LimitName) => void

  constructor(limits: AdmissionLimits, shared: SharedLimits | null, limited: (limit: LimitName) => void) {
    this.addresses = new ClientAddresses(limits.trustedProxies ?? [])
    this.maxConnections = limits.maxConnections
    this.perIp = new ConnectionCounts(limits.maxConnectionsPerIp)
    this.perUser = new ConnectionCounts(limits.maxConnectionsPerUser)
    this.perTenant = new ConnectionCounts(limits.maxConnectionsPerTenant)
    this.handshakes = new Handshakes(
      limits.maxHandshakesPerIp,
      shared?.handshakes(limits.maxHandshakesPerIp) ?? null,
    )
    this.limited = limited
    shared?.share({ ip: this.perIp, user: this.perUser, tenant: this.perTenant })
  }

  /**
   * Counts a handshake, and a connection of its address, until `release`.
   * @param address see `ClientAddresses.keyOf`
   * @param open connections to this node
   */
  admit(address: string | null, open: number): Counted | null | Refused {
    const waitMs = address === null ? 0 : this.handshakes.take(address)
    if (waitMs > 0) return this.refuse('handshakes_per_ip', Math.ceil(waitMs / 1000))
    if (this.maxConnections > 0 && open >= this.maxConnections) return this.refuse('connections', fullSeconds)
    if (address === null) return null
    return this.perIp.take(address) ?? this.refuse('connections_per_ip', fullSeconds)
  }

  private refuse(limit: keyof typeof answers, retryAfterSeconds: number): Refused {
    this.limited(limit)
    return { limit, ...answers[limit], retryAfterSeconds }
  }

  release(address: Counted | null): void {
    if (address !== null) this.perIp.release(address)
  }

  /**
   * Counts a connection to whom its token names, until `leave`.
   * @param user null for the anonymous ones of an open server: they are not one user
   * @throws {ProtocolError} too_many_connections
   */
  enter(tenant: string, user: string | null): Place {
    const ofTenant = this.perTenant.take(tenant)
    if (ofTenant === null) throw this.tooMany('connections_per_tenant', 'tenant')
    if (user === null && ofTenant === uncounted) return nowhere
    const ofUser = user === null ? null : this.perUser.take(`${tenant}\0${user}`)
    if (user === null || ofUser !== null) return { ofTenant, ofUser }
    this.perTenant.release(ofTenant)
    throw this.tooMany('connections_per_user', 'user')
  }

  private tooMany(limit: LimitName, whose: string): ProtocolError {
    this.limited(limit)
    return new ProtocolError(
      'too_many_connections',
      `the ${whose} has as many connections as it may`,
      fullSeconds * 1000,
    )
  }

  leave({ ofTenant, ofUser }: Place): void {
    this.perTenant.release(ofTenant)
    if (ofUser !== null) this.perUser.release(ofUser)
  }
}

/** A connection in the counts of its tenant and user. */
export interface Place {
  readonly ofTenant: Counted
  readonly ofUser: Counted | null
}

/** Of all that nobody counts: most connections of an open server. */
const nowhere: Place = { ofTenant: uncounted, ofUser: null }

const answers = {
  connections: { status: '503 Service Unavailable', message: 'The node has as many connections as it may.' },
  connections_per_ip: {
    status: '429 Too Many Requests',
    message: 'The address has as many connections as it may.',
  },
  handshakes_per_ip: { status: '429 Too Many Requests', message: 'Too many connections in a minute.' },
} as const
