import { describe, expect, test } from 'vitest'
import { addressOf, ClientAddresses, parseNetwork } from './networks.js'

describe('addresses', () => {
  test.each([
    [[10, 0, 0, 1], '10.0.0.1'],
    [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1], '10.0.0.1'],
    [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], '2001:db8:0:0:0:0:0:1'],
    [[], ''],
  ])('of the bytes %j', (bytes, address) => expect(addressOf(Uint8Array.from(bytes))).toBe(address))

  test.each(['10.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8', '0.0.0.0/0'])('%s is a network', (text) =>
    expect(parseNetwork(text)).not.toBeNull(),
  )
  test.each(['', 'proxy', '10.0.0.0/33', '10.0.0.0/', '10.0.0', '::1/129', '10.0.0.0/8/8', '1.2.3.4:80'])(
    '%s is none',
    (text) => expect(parseNetwork(text)).toBeNull(),
  )
})

describe('the client behind proxies', () => {
  const addresses = new ClientAddresses(['10.0.0.0/8', '2001:db8::1'])

  test.each([
    ['a peer of its own', '203.0.113.9', '', '203.0.113.9'],
    ['a peer that says it is a proxy', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['this machine', '127.0.0.1', '', null],
    ['a proxy that nobody told of', '192.168.1.1', '198.51.100.1', null],
    ['one that a trusted proxy sees', '10.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['what the client wrote itself, left of it', '10.0.0.1', '192.0.2.1, 198.51.100.1', '198.51.100.1'],
    ['two trusted proxies', '10.0.0.1', '192.0.2.1, 198.51.100.1, 10.2.3.4', '198.51.100.1'],
    ['nonsense at the left', '10.0.0.1', 'x, 198.51.100.1', '198.51.100.1'],
    ['nonsense at the right', '10.0.0.1', '198.51.100.1, unknown', null],
    ['no header', '10.0.0.1', '', null],
    ['a client within the trusted network', '10.0.0.1', '10.9.9.9', '10.9.9.9'],
    ['a port', '10.0.0.1', '198.51.100.1:4711', '198.51.100.1'],
    ['a private address that a trusted proxy sees', '10.0.0.1', '192.168.1.7', '192.168.1.7'],
    ['IPv6, by /64', '10.0.0.1', '2001:DB8:a:b:1:2:3:4', '2001:db8:a:b::/64'],
    ['IPv6 in brackets with a port', '10.0.0.1', '[2001:db8:0:b::4]:80', '2001:db8:0:b::/64'],
    ['IPv6 in short', '2001:db8:0:0:0:0:0:1', '2002::', '2002:0:0:0::/64'],
    ['IPv4 in IPv6', '10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1'],
    ['a closed socket', '', '198.51.100.1', null],
  ])('%s', (_, peer, forwarded, key) => expect(addresses.keyOf(peer, forwarded)).toBe(key))
})
