import * as Y from 'yjs'
import type { Random } from './random.js'

const REMOTE = Symbol('remote')

/** A document that several users edited at random, with every update they made, in the order in which they made it. */
export interface RandomDocument {
  readonly docs: readonly Y.Doc[]
  readonly updates: readonly Uint8Array[]
}

export interface RandomDocumentOptions {
  readonly users: number
  readonly edits: number
  /** How often, per edit, two users exchange everything. Default 0.3. */
  readonly sync?: number
  /** Client ids to draw from; default random 32-bit ones. */
  readonly clientIds?: readonly number[]
}

/** Makes a document of all kinds of content: text with formats, maps, arrays, XML, subdocuments, embeds, bytes. */
export function randomDocument(random: Random, options: RandomDocumentOptions): RandomDocument {
  const updates: Uint8Array[] = []
  const docs: Y.Doc[] = []
  for (let i = 0; i < options.users; i++) {
    const doc = new Y.Doc()
    doc.clientID = options.clientIds?.[i] ?? random.int(2 ** 32)
    // As an editor declares them: typed roots run the observers that an untyped server document does not have.
    doc.getText('text')
    doc.getArray('array')
    doc.getMap('map')
    doc.getXmlFragment('xml')
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== REMOTE) updates.push(update)
    })
    docs.push(doc)
  }
  docs[0]?.getText('text').insert(0, 'start')
  for (let i = 0; i < options.edits; i++) {
    const doc = random.pick(docs)
    doc.transact(() => {
      const steps = 1 + random.int(3)
      for (let step = 0; step < steps; step++) editDocument(doc, random)
    })
    if (random.chance(options.sync ?? 0.3)) exchange(random.pick(docs), random.pick(docs))
  }
  for (const doc of docs) exchange(doc, docs[0] ?? doc)
  for (const doc of docs) exchange(doc, docs[0] ?? doc)
  return { docs, updates }
}

function exchange(a: Y.Doc, b: Y.Doc): void {
  if (a === b) return
  Y.applyUpdate(a, Y.encodeStateAsUpdate(b, Y.encodeStateVector(a)), REMOTE)
  Y.applyUpdate(b, Y.encodeStateAsUpdate(a, Y.encodeStateVector(b)), REMOTE)
}

/** One random edit. */
export function editDocument(doc: Y.Doc, random: Random): void {
  const text = doc.getText('text')
  const array = doc.getArray('array')
  const map = doc.getMap('map')
  const xml = doc.getXmlFragment('xml')
  const at = random.int(text.length + 1)
  switch (random.int(14)) {
    case 0:
    case 1:
      text.insert(at, random.pick(['a', 'hello', 'äö', '😀x', 'line\n']))
      return
    case 2:
      text.insert(at, 'b', { bold: true })
      return
    case 3:
      if (text.length > 1)
        text.delete(random.int(text.length - 1), 1 + random.int(Math.min(4, text.length - 1)))
      return
    case 4:
      if (text.length > 2) text.format(random.int(text.length - 2), 2, { bold: random.pick([true, null]) })
      return
    case 5:
      text.insertEmbed(at, { image: 'x', list: [1, { deep: null }] })
      return
    case 6:
      array.insert(random.int(array.length + 1), [1, 'two', { three: [3, null, undefined, 2n ** 60n] }, 1.5])
      return
    case 7:
      if (array.length > 0) array.delete(random.int(array.length), 1)
      return
    case 8:
      map.set(random.pick(['k', 'l', '']), random.pick<unknown>([1, 'v', new Uint8Array([1, 2]), true, null]))
      return
    case 9:
      map.delete(random.pick(['k', 'l']))
      return
    case 10:
      map.set('nested', random.pick([() => new Y.Map(), () => new Y.Array(), () => new Y.Text('nested')])())
      return
    case 11: {
      const nested = map.get('nested')
      if (nested instanceof Y.Map) nested.set('x', new Y.Array())
      else if (nested instanceof Y.Array) nested.push([new Y.Map(), 'y'])
      else if (nested instanceof Y.Text) nested.insert(0, 'nn', random.pick([{}, { italic: true }]))
      return
    }
    case 12: {
      const element = new Y.XmlElement('p')
      xml.insert(random.int(xml.length + 1), [element])
      element.setAttribute('class', 'c')
      element.insert(0, [new Y.XmlText('para')])
      return
    }
    default:
      if (random.chance(0.3)) array.push([new Y.Doc({ meta: { a: 1 } })])
      else if (xml.length > 0) xml.delete(random.int(xml.length), 1)
  }
}
