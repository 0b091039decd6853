/* PROTOCOL.md and the code say the same. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  CloseCode,
  FrameType,
  closeCodeFor,
  decodeClientFrame,
  decodeServerFrame,
  defaultSessionLimits,
  errorCodes,
  isErrorCode,
  isRetryable,
  retryClass,
} from './index.js'
import { fromHex } from './testing/vector-json.js'

const specification = readFileSync(new URL('../PROTOCOL.md', import.meta.url), 'utf8')

/** The rows of the first table below a heading, cell by cell. */
const table = (heading: string): string[][] => {
  const start = specification.indexOf(`\n${heading}\n`)
  expect(start, heading).toBeGreaterThan(0)
  const lines = specification.slice(start).split('\n').slice(2)
  const first = lines.findIndex((line) => line.startsWith('|'))
  const end = lines.findIndex((line, index) => index > first && !line.startsWith('|'))
  return lines.slice(first + 2, end < 0 ? undefined : end).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )
}

const ruleIds = [...specification.matchAll(/^- \*\*P(\d+)\*\*/gm)].map((match) => Number(match[1]))

describe('PROTOCOL.md', () => {
  test('numbers its rules from P1, each once', () => {
    expect([...ruleIds].sort((a, b) => a - b)).toEqual(ruleIds.map((_, index) => index + 1))
  })

  test('refers to rules that exist', () => {
    for (const [, id] of specification.matchAll(/\bP(\d+)\b/g)) expect(ruleIds).toContain(Number(id))
  })

  test('lists the frames of the codec', () => {
    const rows = [...table('### Client to server'), ...table('### Server to client')]
    const listed = rows.flatMap(([names = '', fields = '']) => {
      const numbers = [...fields.matchAll(/\[(\d+),/g)].map((match) => Number(match[1]))
      const camelCase = (name: string): string =>
        name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
      return names.split(', ').map((name, index) => [camelCase(name), numbers[index]] as const)
    })
    expect(Object.fromEntries(listed)).toEqual(FrameType)
  })

  test('lists the errors, and which are retryable', () => {
    const listed = table('## Errors').map(([code = '', retryable]) => [
      code.replaceAll('`', ''),
      retryable === 'yes',
    ])
    const known = Object.entries(errorCodes).map(([code, { retry }]) => [code, retry])
    expect(listed).toEqual(known)
    for (const [code, retry] of known) expect(isRetryable(String(code)), String(code)).toBe(retry)
  })

  test('lists the close codes by their names', () => {
    const words = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    const listed = table('## Close codes').map(([code, name]) => [Number(code), name])
    expect(listed).toEqual(Object.entries(CloseCode).map(([name, code]) => [code, words(name)]))
  })

  test('shows frames in bytes that decode as what they are called', () => {
    const examples = [...specification.matchAll(/^([→←]) (\w+) +((?:[0-9a-f]{2} ?)+)$/gm)]
    expect(examples.length).toBeGreaterThan(9)
    for (const [, way, name = '', hex = ''] of examples) {
      const decode = way === '→' ? decodeClientFrame : decodeServerFrame
      expect(decode(fromHex(hex.replaceAll(' ', ''))).type).toBe(name.toLowerCase())
    }
  })

  test('names the limits of WELCOME', () => {
    const sentence = /`limits` is a map with at least ([^.]*)\./.exec(specification)?.[1] ?? ''
    expect([...sentence.matchAll(/`(\w+)`/g)].map((match) => match[1])).toEqual(
      Object.keys(defaultSessionLimits),
    )
  })
})

describe('codes', () => {
  test('the retry class of a close code is in its number', () => {
    for (const code of Object.values(CloseCode)) {
      expect(retryClass(code), String(code)).toBe(code < 4500 ? 'permanent' : 'transient')
    }
    for (const code of [1000, 1001, 1005, 1006, 1009, 1012, 4399, 4500, 4999]) {
      expect(retryClass(code), String(code)).toBe('transient')
    }
    for (const code of [4400, 4450, 4499]) expect(retryClass(code), String(code)).toBe('permanent')
  })

  test('an error that ends a connection does so with a code of its own retry class', () => {
    for (const [code, { retry }] of Object.entries(errorCodes)) {
      if (!isErrorCode(code)) throw new Error(code)
      expect(retryClass(closeCodeFor(code)), code).toBe(retry ? 'transient' : 'permanent')
    }
  })

  test('a code of a newer server is taken as final', () => {
    expect(isRetryable('overloaded')).toBe(true)
    for (const code of ['moonphase', '', '__proto__', 'toString', 'constructor']) {
      expect(isErrorCode(code), code).toBe(false)
      expect(isRetryable(code), code).toBe(false)
    }
  })
})
