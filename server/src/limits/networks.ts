/* Addresses of clients: told by the socket, or by a proxy that is trusted to tell. Pure. */
import { BlockList, isIP } from 'node:net'

/** An address, or a network: `10.0.0.0/8`, `fd00::/8`. */
export interface Network {
  readonly address: string
  readonly family: 'ipv4' | 'ipv6'
  readonly prefix: number
}

/** @returns null for what is neither an address nor a network */
export const parseNetwork = (text: string): Network | null => {
  const [address = '', prefix, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return null
  const bits = version === 4 ? 32 : 128
  if (prefix === undefined) return { address, family: version === 4 ? 'ipv4' : 'ipv6', prefix: bits }
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) return null
  return { address, family: version === 4 ? 'ipv4' : 'ipv6', prefix: Number(prefix) }
}

const networksOf = (networks: readonly string[]): BlockList => {
  const list = new BlockList()
  for (const text of networks) {
    const network = parseNetwork(text)
    if (network !== null) list.addSubnet(network.address, network.prefix, network.family)
  }
  return list
}

/** This machine, private networks and links: whoever comes from there directly is most likely a proxy. */
const inside = networksOf([
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '100.64.0.0/10',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
])

const contains = (list: BlockList, address: string): boolean =>
  list.check(address, address.includes(':') ? 'ipv6' : 'ipv4')

/**
 * The address of a socket as text, from its bytes; IPv4 in IPv6 (`::ffff:10.0.0.1`, on a socket that takes both) as IPv4.
 * @param bytes 4 or 16 bytes; '' for others (a socket that is closed)
 */
export const addressOf = (bytes: Uint8Array): string => {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) return ''
  if (bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff)
    return bytes.subarray(12).join('.')
  return hextets(bytes).join(':')
}

const hextets = (bytes: Uint8Array): string[] => {
  const groups: string[] = []
  for (let at = 0; at < bytes.length; at += 2)
    groups.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16))
  return groups
}

/** An address as a proxy writes it: with a port, or in brackets. @returns null for what is none */
const parseForwarded = (text: string): string | null => {
  const trimmed = text.trim()
  const match = /^\[([^\]]+)\](?::\d+)?$/.exec(trimmed) ?? /^(\d+\.\d+\.\d+\.\d+)(?::\d+)?$/.exec(trimmed)
  const address = match?.[1] ?? trimmed
  if (isIP(address) === 0) return null
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  return mapped ?? address
}

/** Whom the limits for each address count a connection to. */
export class ClientAddresses {
  private readonly trusted: BlockList

  /** @param trusted TRUSTED_PROXIES */
  constructor(trusted: readonly string[]) {
    this.trusted = networksOf(trusted)
  }

  /** Whether a peer is a proxy that tells the truth about its clients. */
  isTrusted(peer: string): boolean {
    return peer !== '' && contains(this.trusted, peer)
  }

  /**
   * What the limits for each address count by, or null for a connection that they do not apply to: one from this machine or
   * a private network that no trusted proxy speaks for. It may be a proxy that nobody told of, and would be all its clients at once.
   * @param peer the address of the socket
   * @param forwarded the headers `X-Forwarded-For`, joined by commas; each proxy adds the address that it sees at the right end
   */
  keyOf(peer: string, forwarded: string): string | null {
    if (peer === '') return null
    if (!this.isTrusted(peer)) return contains(inside, peer) ? null : keyOfAddress(peer)
    let client: string | null = null
    for (const entry of forwarded.split(',').reverse()) {
      const address = parseForwarded(entry)
      // What stands left of nonsense may have been written by anybody.
      if (address === null) break
      client = address
      if (!this.isTrusted(address)) break
    }
    return client === null ? null : keyOfAddress(client)
  }
}

/** Who has one IPv6 address has all of its /64. */
const keyOfAddress = (address: string): string => {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.toLowerCase().split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const last = tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0)
    while (groups.length + last < 8) groups.push('0')
    if (tail !== '') groups.push(...tail.split(':'))
  }
  const prefix = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${prefix.join(':')}::/64`
}
