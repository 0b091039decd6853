import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import type { Unsubscribe } from '../emitter.js'

interface Selected<S> {
  readonly value: S
}

/**
 * What a selector takes from a store. The component renders again only when `isEqual` says that it is another; a selection
 * that is equal keeps the object that was rendered, also when the selector is a new function each time.
 * @param get gives the same value until something changes
 */
export const useSelection = <T, S>(
  subscribe: (changed: () => void) => Unsubscribe,
  get: () => T,
  selector: (value: T) => S,
  isEqual: (a: S, b: S) => boolean,
): S => {
  const rendered = useRef<Selected<S> | null>(null)
  const select = useMemo(() => {
    let from: { readonly value: T } | null = null
    let selected: Selected<S> | null = null
    return (): S => {
      const value = get()
      if (selected !== null && from !== null && Object.is(from.value, value)) return selected.value
      const next = selector(value)
      const before: Selected<S> | null = selected ?? rendered.current
      from = { value }
      selected = before !== null && isEqual(before.value, next) ? before : { value: next }
      return selected.value
    }
  }, [get, selector, isEqual])
  const value = useSyncExternalStore(subscribe, select, select)
  useEffect(() => {
    rendered.current = { value }
  }, [value])
  return value
}
