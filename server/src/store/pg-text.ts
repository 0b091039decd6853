/* Values in PostgreSQL's text format, as the batches of a commit carry them. */
import { assertText } from './errors.js'
import { StoreError } from './types.js'

const clientIdForm = /^[0-9a-f]{32}$/

/** An element of a uuid[] literal. @throws {StoreError} rejected, when it is not 32 hex digits */
export function clientIdText(clientId: string | null): string {
  if (clientId === null) return 'NULL'
  if (!clientIdForm.test(clientId)) throw rejected('a client id is not 32 hex digits')
  return clientId
}

/** The distinct texts of a column. */
export class TextDictionary {
  readonly #what: string
  readonly #places = new Map<string, number>()

  constructor(what: string) {
    this.#what = what
  }

  /** Counted from 1. */
  place(text: string): number {
    const known = this.#places.get(text)
    if (known !== undefined) return known
    assertText(this.#what, text)
    const place = this.#places.size + 1
    this.#places.set(text, place)
    return place
  }

  /** As a PostgreSQL array literal: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
  literal(): string {
    let out = ''
    for (const text of this.#places.keys()) {
      out += `${out === '' ? '' : ','}"${text.replace(/["\\]/g, '\\$&')}"`
    }
    return `{${out}}`
  }
}

/** An integer as PostgreSQL reads it. @throws {StoreError} rejected */
export function integer(value: number): string {
  if (!Number.isSafeInteger(value)) throw rejected(`${value} is not a safe integer`)
  return String(value)
}

/** What retrying cannot mend. */
export function rejected(message: string): StoreError {
  return new StoreError('rejected', message, '22023')
}
