import { ProtocolError } from '@weft/protocol'
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
  /** The hook failed, and had not the last time. */
  failed(error: unknown): void
}

/** Answers that are kept, and questions that are open, at most (I6). */
const maxKept = 10_000
const maxOpen = 1_000

interface Kept {
  readonly key: string
  readonly permissions: Permissions | null
  readonly until: number
}

/**
 * Asks the authorization hook: one question at a time for a user and a room, and briefly remembered. A hook that throws, hangs
 * or answers nonsense grants nothing (I8); the client is told to try again later.
 */
export class Authorizer {
  private readonly authorize: Authorize
  private readonly options: AuthorizerOptions
  private readonly kept = new Map<string, Kept>()
  private readonly open = new Map<string, Promise<Permissions | null>>()
  private failing = false

  constructor(authorize: Authorize, options: AuthorizerOptions) {
    this.authorize = authorize
    this.options = options
  }

  /** @throws {ProtocolError} `overloaded`; rejects with `internal` */
  ask(identity: Identity, room: string): Permissions | null | Promise<Permissions | null> {
    const { user, name, tenant } = identity
    const granted = identity.granted(room)
    const token = granted === null ? [] : namesOf(granted)
    const key = JSON.stringify([tenant, user, room, name, ...token])
    const kept = this.kept.get(key)
    if (kept !== undefined && performance.now() < kept.until) return kept.permissions
    const open = this.open.get(key)
    if (open !== undefined) return open
    if (this.open.size >= maxOpen)
      throw new ProtocolError('overloaded', 'too many permissions are being checked')
    const asked = this.decide(key, { user, name, tenant, room, token })
    this.open.set(key, asked)
    return asked
  }

  /** What was answered about a user, in one room or in all, counts no more: also what is being asked just now. */
  forget(tenant: string, user: string, room: string | null): void {
    const start = JSON.stringify([tenant, user, ...(room === null ? [] : [room])]).slice(0, -1)
    for (const map of [this.kept, this.open]) {
      for (const key of map.keys()) if (key.startsWith(start)) map.delete(key)
    }
  }

  private async decide(key: string, request: AuthorizeRequest): Promise<Permissions | null> {
    // `open` has this promise before the hook runs: one that throws at once is no different.
    await Promise.resolve()
    const own = this.open.get(key)
    try {
      const answer = await withTimeout(this.authorize(request), this.options.timeoutMs)
      const permissions = readPermissions(answer ?? [])
      if (permissions === undefined) throw new Error('the answer of the authorization hook is not a grant')
      this.failing = false
      // Asked before something changed: whoever waits for it must not get the old answer.
      if (this.open.get(key) !== own) return await this.again(key, request)
      this.keep(key, permissions)
      return permissions
    } catch (error) {
      if (!this.failing) this.options.failed(error)
      this.failing = true
      throw new ProtocolError('internal', 'the permissions could not be checked now')
    } finally {
      if (this.open.get(key) === own) this.open.delete(key)
    }
  }

  private again(key: string, request: AuthorizeRequest): Promise<Permissions | null> {
    const open = this.open.get(key) ?? this.decide(key, request)
    this.open.set(key, open)
    return open
  }

  private keep(key: string, permissions: Permissions | null): void {
    this.kept.delete(key)
    this.kept.set(key, { key, permissions, until: performance.now() + this.options.cacheMs })
    const [oldest] = this.kept.keys()
    if (this.kept.size > maxKept && oldest !== undefined) this.kept.delete(oldest)
  }
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
