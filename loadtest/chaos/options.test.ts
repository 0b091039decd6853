import { expect, test } from 'vitest'
import { faultNames } from './faults.js'
import { OptionError, readOptions } from './options.js'

test('without options: every fault once, with the defaults', () => {
  expect(readOptions([])).toEqual({
    seed: 1,
    rounds: 1,
    duration: null,
    outage: 5000,
    nodes: 3,
    typists: 18,
    rooms: 6,
    pace: 250,
    faults: faultNames,
    out: null,
  })
})

test('options are read; help is asked for', () => {
  expect(
    readOptions(['--faults', 'redis-killed,node-frozen', '--duration=90', '--seed', '7', '--out', '/tmp/x']),
  ).toMatchObject({ faults: ['redis-killed', 'node-frozen'], duration: 90, seed: 7, out: '/tmp/x' })
  expect(readOptions(['--help'])).toBeNull()
})

test.each([
  [['--outage', 'long'], '--outage must be a whole number from 100 to 600000, and is "long".'],
  [['--nodes', '1'], '--nodes must be a whole number from 2 to 16, and is "1".'],
  [['--faults', 'flood'], `There is no fault "flood" for --faults: it takes ${faultNames.join(', ')}.`],
  [['--rounds', '2', '--duration', '60'], '--rounds and --duration exclude each other.'],
  [['--fast'], "Unknown option '--fast': see --help."],
  [['--seed'], "Option '--seed <value>' argument missing: see --help."],
])('%j is refused in one sentence', (args, message) => {
  expect(() => readOptions(args)).toThrow(new OptionError(message))
})
