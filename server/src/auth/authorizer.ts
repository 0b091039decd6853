import { ProtocolError } from '@weft/protocol'
import { FairShares, type Share, type SharedLimit } from '../tenants/index.js'
import { namesOf, readPermissions, type Permission, type Permissions } from './permissions.js'
import type { Identity } from './types.js'

/** Who wants into which room. */
export interface AuthorizeRequest {
  /** The token's `sub`; null for an anonymous user. */
  readonly user: string | null
  /** The token's `name`. */
  readonly name: string | null
  readonly tenant: string
  readonly room: string
  /** What the token grants in the room: empty for nothing. */
  readonly token: readonly Permission[]
}

/** A word, a list that picks permissions one by one, or null for nothing. */
export type AuthorizeAnswer = 'read' | 'write' | 'admin' | readonly Permission[] | null

/** Decides what a user may do in a room. Its answer counts in place of the token's `rooms`. */
export type Authorize = (request: AuthorizeRequest) => AuthorizeAnswer | Promise<AuthorizeAnswer>

export interface AuthorizerOptions {
  /** Milliseconds until an answer is given up. */
  readonly timeoutMs: number
  /** Milliseconds that an answer counts for further joins of the user in the room. */
  readonly cacheMs: number
  /** How the tenants share what is kept and asked. Default: no shares. */
  readonly shares?: FairShares
  /** The hook failed, and had not the last time. */
  failed(error: unknown): void
}

/** Answers that are kept, and questions that are open, at most (I6). */
const maxKept = 10_000
const maxOpen = 1_000

interface Kept {
  readonly permissions: Permissions | null
  readonly until: number
}

/** Of one tenant. */
interface Answers {
  readonly kept: Map<string, Kept>
  readonly keptShare: Share
  readonly open: Map<string, Promise<Permissions | null>>
  readonly openShare: Share
  /** Questions that have no answer yet, those that count no more (see `forget`) included. */
  asking: number
}

/**
 * Asks the authorization hook: one question at a time for a user and a room, and briefly remembered. A hook that throws, hangs
 * or answers nonsense grants nothing (I8); the client is told to try again later.
 */
export class Authorizer {
  private readonly authorize: Authorize
  private readonly options: AuthorizerOptions
  private readonly tenants = new Map<string, Answers>()
  private readonly kept: SharedLimit
  private readonly open: SharedLimit
  private failing = false

  constructor(authorize: Authorize, options: AuthorizerOptions) {
    this.authorize = authorize
    this.options = options
    const { shares = new FairShares(100) } = options
    this.kept = shares.limit(maxKept)
    this.open = shares.limit(maxOpen)
  }

  /** @throws {ProtocolError} `overloaded`; rejects with `internal` */
  ask(identity: Identity, room: string): Permissions | null | Promise<Permissions | null> {
    const { user, name, tenant } = identity
    const granted = identity.granted(room)
    const token = granted === null ? [] : namesOf(granted)
    const key = JSON.stringify([user, room, name, ...token])
    const of = this.of(tenant)
    const kept = of.kept.get(key)
    if (kept !== undefined && performance.now() < kept.until) return kept.permissions
    const open = of.open.get(key)
    if (open !== undefined) return open
    if (!of.openShare.fits(1)) throw new ProtocolError('overloaded', 'too many permissions are being checked')
    return this.question(of, key, { user, name, tenant, room, token })
  }

  private of(tenant: string): Answers {
    let of = this.tenants.get(tenant)
    if (of === undefined) {
      const [keptShare, openShare] = [this.kept.share(tenant), this.open.share(tenant)]
      of = { kept: new Map(), keptShare, open: new Map(), openShare, asking: 0 }
      this.tenants.set(tenant, of)
    }
    return of
  }

  private question(of: Answers, key: string, request: AuthorizeRequest): Promise<Permissions | null> {
    const asked = this.decide(of, key, request)
    of.open.set(key, asked)
    of.openShare.add(1)
    of.asking++
    return asked
  }

  /** What was answered about a user, in one room or in all, counts no more: also what is being asked just now. */
  forget(tenant: string, user: string, room: string | null): void {
    const of = this.tenants.get(tenant)
    if (of === undefined) return
    const start = JSON.stringify([user, ...(room === null ? [] : [room])]).slice(0, -1)
    for (const key of of.kept.keys()) if (key.startsWith(start)) drop(of.kept, of.keptShare, key)
    for (const key of of.open.keys()) if (key.startsWith(start)) drop(of.open, of.openShare, key)
  }

  private async decide(of: Answers, key: string, request: AuthorizeRequest): Promise<Permissions | null> {
    // `open` has this promise before the hook runs: one that throws at once is no different.
    await Promise.resolve()
    const own = of.open.get(key)
    try {
      const answer = await withTimeout(this.authorize(request), this.options.timeoutMs)
      const permissions = readPermissions(answer ?? [])
      if (permissions === undefined) throw new Error('the answer of the authorization hook is not a grant')
      this.failing = false
      // Asked before something changed: whoever waits for it must not get the old answer.
      if (of.open.get(key) !== own) return await (of.open.get(key) ?? this.question(of, key, request))
      this.keep(of, key, permissions)
      return permissions
    } catch (error) {
      if (!this.failing) this.options.failed(error)
      this.failing = true
      throw new ProtocolError('internal', 'the permissions could not be checked now')
    } finally {
      if (of.open.get(key) === own) drop(of.open, of.openShare, key)
      of.asking--
      if (of.kept.size + of.asking === 0) this.tenants.delete(request.tenant)
    }
  }

  private keep({ kept, keptShare }: Answers, key: string, permissions: Permissions | null): void {
    drop(kept, keptShare, key)
    // The oldest of the same tenant makes way.
    for (const oldest of kept.keys()) {
      if (keptShare.fits(1)) break
      drop(kept, keptShare, oldest)
    }
    if (!keptShare.fits(1)) return
    kept.set(key, { permissions, until: performance.now() + this.options.cacheMs })
    keptShare.add(1)
  }
}

const drop = (map: Map<string, unknown>, share: Share, key: string): void => {
  if (map.delete(key)) share.add(-1)
}

const withTimeout = async <T>(answer: T | Promise<T>, ms: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the authorization hook did not answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
