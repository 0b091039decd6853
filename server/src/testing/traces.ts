/*
 * Editing traces: recorded keystrokes of real people from `WEFT_TRACES` (default: `../shared/traces` beside the repository), and generated ones of
 * the same form where that folder is absent. Positions count Unicode code points.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import * as Y from 'yjs'

/** At `position`, delete so many code points, then insert the text. */
export type Patch = readonly [position: number, deleted: number, inserted: string]

/** One author's keystrokes, each on the document after the one before. */
export interface SequentialTrace {
  readonly startContent: string
  readonly endContent: string
  readonly txns: readonly { readonly patches: readonly Patch[] }[]
}

/** Keystrokes of several authors; each is on the document after exactly its parents. */
export interface ConcurrentTrace {
  readonly endContent: string
  readonly numAgents: number
  readonly txns: readonly {
    readonly agent: number
    readonly parents: readonly number[]
    readonly patches: readonly Patch[]
  }[]
}

const folder =
  process.env['WEFT_TRACES'] ?? fileURLToPath(new URL('../../../../shared/traces/', import.meta.url))

const read = (name: string): unknown => {
  const path = join(folder, `${name}.json.gz`)
  return existsSync(path) ? JSON.parse(gunzipSync(readFileSync(path)).toString()) : null
}

// The only places where a trace's JSON gets its type.
export const sequentialTrace = (name: string, random: () => number): SequentialTrace =>
  (read(name) as SequentialTrace | null) ?? generateTyping(random, 4_000)

export const concurrentTrace = (name: string, random: () => number): ConcurrentTrace =>
  (read(name) as ConcurrentTrace | null) ?? generateTogether(random, 4_000)

/** Types into a Y.Text by code points. */
export class CodePointTypist {
  private readonly text: Y.Text
  /** Positions of Yjs are UTF-16: the same until somebody types what needs two units. */
  private astral = false

  constructor(text: Y.Text) {
    this.text = text
  }

  apply(patches: readonly Patch[]): void {
    for (const [position, deleted, inserted] of patches) {
      this.astral ||= /[\ud800-\udfff]/.test(inserted)
      const start = this.astral ? this.unitsBefore(position) : position
      const end = this.astral ? this.unitsBefore(position + deleted) : position + deleted
      if (end > start) this.text.delete(start, end - start)
      if (inserted !== '') this.text.insert(start, inserted)
    }
  }

  private unitsBefore(position: number): number {
    const content = this.text.toJSON()
    let units = 0
    for (let points = 0; points < position; points++)
      units += (content.codePointAt(units) ?? 0) > 0xffff ? 2 : 1
    return units
  }
}

const letters = 'etaoin shrdlu etaoin shrdlu,.\n☃é😀'

/** Words are typed where the cursor is, mistakes taken back, and now and then the cursor goes elsewhere. */
export const generateTyping = (random: () => number, keystrokes: number): SequentialTrace => {
  const alphabet = Array.from(letters)
  const below = (limit: number): number => Math.floor(random() * limit)
  const startContent = ''
  const content: string[] = []
  const txns: { patches: Patch[] }[] = []
  let cursor = 0
  while (txns.length < keystrokes) {
    const roll = below(100)
    let patch: Patch
    if (roll < 3) {
      cursor = below(content.length + 1)
      continue
    } else if (roll < 15 && cursor > 0) patch = [cursor - 1, 1, '']
    else if (roll < 16) {
      const pasted = Array.from({ length: 20 + below(40) }, () => alphabet[below(alphabet.length)]).join('')
      patch = [cursor, Math.min(below(30), content.length - cursor), pasted]
    } else patch = [cursor, 0, alphabet[below(alphabet.length)] ?? 'e']
    const [position, deleted, inserted] = patch
    const points = Array.from(inserted)
    content.splice(position, deleted, ...points)
    cursor = position + points.length
    txns.push({ patches: [patch] })
  }
  return { startContent, endContent: content.join(''), txns }
}

/** Two people in one text, each of whom sees the other's keystrokes a while later. */
export const generateTogether = (random: () => number, keystrokes: number): ConcurrentTrace => {
  const alphabet = Array.from(letters)
  const below = (limit: number): number => Math.floor(random() * limit)
  const replay = new Together(2)
  const txns: { agent: number; parents: number[]; patches: Patch[] }[] = []
  /** The newest transactions that each has seen. */
  const heads: [number[], number[]] = [[], []]
  const newest: (number | undefined)[] = []
  while (txns.length < keystrokes) {
    const agent = below(2)
    const other = newest[1 - agent]
    const own = newest[agent]
    // Parents are the heads alone: what one of them follows is meant with it.
    const parents = heads[agent === 0 ? 0 : 1]
    const sees =
      below(15) === 0 && other !== undefined ? [own, other].filter((each) => each !== undefined) : parents
    const length = replay.lengthAt(agent, sees)
    const position = below(length + 1)
    const patch: Patch =
      below(6) === 0 && position < length
        ? [position, 1, '']
        : [position, 0, alphabet[below(alphabet.length)] ?? 'e']
    const txn = { agent, parents: sees, patches: [patch] }
    replay.apply(txn)
    newest[agent] = txns.push(txn) - 1
    heads[agent === 0 ? 0 : 1] = [txns.length - 1]
  }
  return { endContent: replay.finish(), numAgents: 2, txns }
}

/**
 * Replays a concurrent trace with one document an author, each of which gets the others' updates when a transaction's
 * parents say that it has seen them, and no sooner.
 */
export class Together {
  readonly docs: Y.Doc[]
  private readonly typists: CodePointTypist[]
  private readonly updates: Uint8Array[][]
  /** By author: how many of each author's transactions its document has. */
  private readonly seen: number[][]
  /** By transaction: how many of each author's transactions it follows, itself included. */
  private readonly versions: number[][] = []

  constructor(agents: number) {
    this.docs = Array.from({ length: agents }, (_, agent) => {
      const doc = new Y.Doc()
      // The same in every replay: it decides how Yjs orders what was typed at one place at once.
      doc.clientID = agent + 1
      return doc
    })
    this.typists = this.docs.map((doc) => new CodePointTypist(doc.getText('text')))
    this.updates = this.docs.map(() => [])
    this.seen = this.docs.map(() => this.docs.map(() => 0))
  }

  /** @returns what the transaction changed, as a Yjs update */
  apply(txn: ConcurrentTrace['txns'][number]): Uint8Array {
    const { agent, parents, patches } = txn
    const doc = this.docs[agent]
    const typist = this.typists[agent]
    const seen = this.seen[agent]
    if (doc === undefined || typist === undefined || seen === undefined) throw new Error(`no author ${agent}`)
    this.receive(agent, parents)
    const parts: Uint8Array[] = []
    const collect = (update: Uint8Array): void => void parts.push(update)
    doc.on('update', collect)
    doc.transact(() => typist.apply(patches))
    doc.off('update', collect)
    const update = parts[0] ?? Uint8Array.of(0, 0)
    this.updates[agent]?.push(update)
    seen[agent] = (seen[agent] ?? 0) + 1
    this.versions.push([...seen])
    return update
  }

  /** The length of what an author sees after those parents, in code points. */
  lengthAt(agent: number, parents: readonly number[]): number {
    this.receive(agent, parents)
    return Array.from(this.docs[agent]?.getText('text').toJSON() ?? '').length
  }

  /** Everybody gets everything. @returns the text */
  finish(): string {
    for (const doc of this.docs)
      for (const other of this.docs)
        if (other !== doc) Y.applyUpdate(doc, Y.encodeStateAsUpdate(other, Y.encodeStateVector(doc)))
    return this.docs[0]?.getText('text').toJSON() ?? ''
  }

  private receive(agent: number, parents: readonly number[]): void {
    const seen = this.seen[agent] ?? []
    const goal = seen.map((_, other) =>
      Math.max(0, ...parents.map((parent) => this.versions[parent]?.[other] ?? 0)),
    )
    for (const [other, count] of goal.entries()) {
      const has = seen[other] ?? 0
      // Positions mean the document after exactly the parents.
      if (has > count) throw new Error(`author ${agent} has seen more of ${other} than a transaction follows`)
      for (const update of this.updates[other]?.slice(has, count) ?? []) {
        const doc = this.docs[agent]
        if (doc !== undefined) Y.applyUpdate(doc, update)
      }
      seen[other] = count
    }
  }
}
