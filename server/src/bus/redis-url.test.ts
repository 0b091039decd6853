import { expect, test } from 'vitest'
import { parseRedisUrl } from './redis-url.js'

const plain = { tls: false, master: '' }

test.each([
  ['redis://localhost', { ...plain, kind: 'single', hosts: [{ host: 'localhost', port: 6379 }] }],
  ['redis://10.0.0.1:7000/0', { ...plain, kind: 'single', hosts: [{ host: '10.0.0.1', port: 7000 }] }],
  ['redis://[::1]:7000', { ...plain, kind: 'single', hosts: [{ host: '::1', port: 7000 }] }],
  [
    'rediss://me:p%40ss%2F@redis.example:6380',
    {
      kind: 'single',
      tls: true,
      master: '',
      hosts: [{ host: 'redis.example', port: 6380 }],
      username: 'me',
      password: 'p@ss/',
    },
  ],
  [
    'redis://:se@cret@r:1',
    { ...plain, kind: 'single', hosts: [{ host: 'r', port: 1 }], password: 'se@cret' },
  ],
  [
    'redis+sentinel://a:1,b/mymaster',
    {
      ...plain,
      kind: 'sentinel',
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 26379 },
      ],
      master: 'mymaster',
    },
  ],
  [
    'rediss+cluster://:x@a:1,b:2',
    {
      kind: 'cluster',
      tls: true,
      master: '',
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
      password: 'x',
    },
  ],
] as const)('%s', (url, target) => {
  expect(parseRedisUrl(url)).toEqual(target)
})

test.each([
  '',
  'localhost:6379',
  'http://localhost',
  'redis://',
  'redis://a:0',
  'redis://a:70000',
  'redis://a:1,b:2',
  'redis://a/x',
  'redis://a?db=1',
  'redis://%zz@a',
  'redis+sentinel://a:1',
  'redis+cluster://a:1/0',
  'redis+cluster://a:1,',
  'redis+other://a:1',
  'redis://a b',
])('refused: %j', (url) => {
  expect(parseRedisUrl(url)).toBeNull()
})
