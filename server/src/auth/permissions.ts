import type { Access } from '@weft/protocol'

/**
 * What may be granted in a room.
 * - `read`: join, get the document, messages, presence and broadcasts. Every other one includes it.
 * - `write`: change the document (updates and seeds).
 * - `presence`: show presence.
 * - `events`: append durable messages, and broadcast.
 * - `history`: ask for durable messages of the past.
 * - `admin`: all of them.
 */
export const permissionNames = ['read', 'write', 'presence', 'events', 'history', 'admin'] as const
export type Permission = (typeof permissionNames)[number]

/** What somebody may do in a room. There is one object for each combination: compare with `===`. */
export type Permissions = Readonly<Record<Permission, boolean>>

/** The words that a grant may be in place of a list, and what each stands for. */
const words: ReadonlyMap<string, readonly Permission[]> = new Map<string, readonly Permission[]>([
  ['read', ['read', 'presence', 'history']],
  ['write', ['read', 'write', 'presence', 'events', 'history']],
  ['admin', permissionNames],
])

const interned = new Map<string, Permissions>()

/** The permissions of a list, with those that they include; null for an empty one. */
export const permissionsOf = (names: Iterable<Permission>): Permissions | null => {
  const given = new Set(names)
  if (given.size === 0) return null
  const has = (name: Permission): boolean => name === 'read' || given.has('admin') || given.has(name)
  const key = permissionNames.filter(has).join()
  let permissions = interned.get(key)
  if (permissions === undefined) {
    permissions = {
      read: true,
      write: has('write'),
      presence: has('presence'),
      events: has('events'),
      history: has('history'),
      admin: has('admin'),
    }
    interned.set(key, permissions)
  }
  return permissions
}

/** The names of permissions, in a fixed order. */
export const namesOf = (permissions: Permissions): Permission[] =>
  permissionNames.filter((name) => permissions[name])

/**
 * Reads a grant: a word (`"read"`, `"write"`, `"admin"`) or a list that picks permissions one by one. Names that a later
 * version knows grant nothing.
 * @returns null for no permission, undefined for what is neither a text nor a list of texts
 */
export const readPermissions = (grant: unknown): Permissions | null | undefined => {
  if (typeof grant === 'string') return permissionsOf(words.get(grant) ?? [])
  if (!Array.isArray(grant)) return undefined
  const list: unknown[] = grant
  if (!list.every((name) => typeof name === 'string')) return undefined
  return permissionsOf(permissionNames.filter((name) => list.includes(name)))
}

/** Everything that two grants allow together. */
export const union = (a: Permissions | null, b: Permissions): Permissions =>
  a === null ? b : (permissionsOf([...namesOf(a), ...namesOf(b)]) ?? b)

/** What `read` stands for, and `write`. */
export const mayRead = readPermissions('read') as Permissions
export const mayWrite = readPermissions('write') as Permissions
/** Everything. */
export const mayAll = readPermissions('admin') as Permissions

/** Permissions as a text, for the database and other nodes: a word where one says it, else the JSON of a list. */
export const grantText = (permissions: Permissions): string => {
  for (const [word, names] of words) if (permissionsOf(names) === permissions) return word
  return JSON.stringify(namesOf(permissions))
}

/** @returns undefined for a text that `grantText` does not write */
export const parseGrantText = (text: string): Permissions | undefined => {
  try {
    return readPermissions(text.startsWith('[') ? (JSON.parse(text) as unknown) : text) ?? undefined
  } catch {
    return undefined
  }
}

/** The permissions in one word of the wire. */
export const accessOf = ({ write }: Permissions): Access => (write ? 'write' : 'read')
