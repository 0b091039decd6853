export interface RedisHost {
  readonly host: string
  readonly port: number
}

/** Where Redis is, and how to get in. */
export interface RedisTarget {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  /** The server, the sentinels, or some nodes of the cluster: at least one. */
  readonly hosts: readonly RedisHost[]
  readonly tls: boolean
  /** For Redis itself, not for the sentinels. */
  readonly username?: string
  readonly password?: string
  /** The name that the sentinels know the master by; '' but for them. */
  readonly master: string
}

const form = /^(redis|rediss)(?:\+(sentinel|cluster))?:\/\/(?:(.*)@)?([^@/?#]+)(?:\/([^/?#]*))?$/

/**
 * Reads `redis://user:password@host:6379`, `rediss://...` (TLS), `redis+sentinel://host:26379,host:26379/masterName` or
 * `redis+cluster://host:6379,host:6379`. User and password are percent-encoded. Pub/sub knows no database numbers: one in the
 * path is accepted and means nothing.
 * @returns null for anything else
 */
export const parseRedisUrl = (url: string): RedisTarget | null => {
  const match = form.exec(url)
  if (!match) return null
  const [, scheme, cluster, user = '', list = '', path = ''] = match
  const kind = cluster === 'sentinel' || cluster === 'cluster' ? cluster : 'single'
  const hosts = list.split(',').map((text) => parseHost(text, kind === 'sentinel' ? 26_379 : 6_379))
  const known = hosts.filter((host) => host !== null)
  const credentials = parseUser(user)
  if (known.length !== hosts.length || credentials === null) return null
  if (kind === 'single' && (hosts.length > 1 || !/^\d*$/.test(path))) return null
  if (kind === 'cluster' && path !== '') return null
  if (kind === 'sentinel' && path === '') return null
  return {
    kind,
    hosts: known,
    tls: scheme === 'rediss',
    master: kind === 'sentinel' ? path : '',
    ...credentials,
  }
}

const parseHost = (text: string, defaultPort: number): RedisHost | null => {
  const match = /^(?:\[([\da-fA-F:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  return host === undefined || port < 1 || port > 65_535 ? null : { host, port }
}

const parseUser = (text: string): { username?: string; password?: string } | null => {
  const colon = text.indexOf(':')
  try {
    const username = decodeURIComponent(colon < 0 ? text : text.slice(0, colon))
    const password = colon < 0 ? '' : decodeURIComponent(text.slice(colon + 1))
    return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) }
  } catch {
    // A stray percent sign.
    return null
  }
}
