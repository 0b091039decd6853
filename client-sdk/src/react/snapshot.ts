/*
 * Plain, immutable values of Yjs types: what a component renders. A part that has not changed is the same object as before,
 * so that `memo` and effects see what really changed; a change costs the parts on its way to the root.
 */
import * as Y from 'yjs'
import type { Unsubscribe } from '../emitter.js'

/** What a shared type holds, without the type: text as a string, maps as objects, arrays as arrays, all of it read only. */
export type Snapshot<T> = T extends Y.Text | Y.XmlFragment
  ? string
  : T extends Y.Map<infer V>
    ? { readonly [key: string]: Snapshot<V> }
    : T extends Y.Array<infer V>
      ? readonly Snapshot<V>[]
      : T

/** A type and what it is in; null for a root. */
interface SharedType {
  readonly parent: object | null
}

/** A root type of a document. */
export interface SharedRoot {
  observeDeep(listener: (events: readonly { readonly target: SharedType }[]) => void): void
}

/** The snapshot, and the type to change it with. The same pair until something changes. */
export type SharedPair<T> = readonly [value: Snapshot<T>, type: T]

/** Watches one root type, for as long as its document lives. */
class SharedView<T extends SharedRoot> {
  private readonly root: T
  private readonly snapshots = new WeakMap<object, unknown>()
  private readonly listeners = new Set<() => void>()
  private pair: SharedPair<T> | null = null

  constructor(root: T) {
    this.root = root
    root.observeDeep((events) => {
      for (const { target } of events) {
        // A snapshot holds those of the types inside it.
        for (let type: SharedType | null = target; type !== null; type = parentOf(type)) {
          this.snapshots.delete(type)
        }
      }
      this.pair = null
      for (const listener of [...this.listeners]) listener()
    })
  }

  get(): SharedPair<T> {
    // What `snapshot` makes of a type is what `Snapshot` says of it.
    this.pair ??= [this.snapshot(this.root) as Snapshot<T>, this.root]
    return this.pair
  }

  subscribe(listener: () => void): Unsubscribe {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  private snapshot(value: unknown): unknown {
    if (!(value instanceof Y.AbstractType)) return value
    const known = this.snapshots.get(value)
    if (known !== undefined) return known
    const made = this.make(value)
    this.snapshots.set(value, made)
    return made
  }

  private make(type: Y.AbstractType<unknown>): unknown {
    if (type instanceof Y.Map) {
      return Object.fromEntries(Array.from(type.entries(), ([key, value]) => [key, this.snapshot(value)]))
    }
    if (type instanceof Y.Array) return type.map((value: unknown) => this.snapshot(value))
    // Text, and the kinds of XML.
    return type.toJSON()
  }
}

const parentOf = (type: SharedType): SharedType | null =>
  type.parent instanceof Y.AbstractType ? type.parent : null

const views = new WeakMap<SharedRoot, unknown>()

/** The view of a root type, one for all who look. */
export const viewOf = <T extends SharedRoot>(root: T): SharedView<T> => {
  // Under a type is the view of that type.
  const known = views.get(root) as SharedView<T> | undefined
  const view = known ?? new SharedView(root)
  if (known === undefined) views.set(root, view)
  return view
}
