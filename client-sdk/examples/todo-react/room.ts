/* What the room of a todo list holds, and how it is changed. */
import { createRoomContext, type Snapshot } from '@weft/client/react'
import * as Y from 'yjs'

export interface Shown {
  readonly name: string
}

export const { RoomProvider, useOthers, useSaved, useSharedMap, useStatus, useSynced } =
  createRoomContext<Shown>()

/** Fields of its own for each, so that one who renames and one who ticks off do not undo each other. */
export type Todo = Y.Map<string | boolean | number>
export type Todos = Y.Map<Todo>

/** A todo as it is shown. */
export interface Item {
  readonly id: string
  readonly text: string
  readonly done: boolean
  /** Its place: between those of its neighbours. Moving one writes one number, and no two moves collide. */
  readonly order: number
}

export const itemsOf = (todos: Snapshot<Todos>): Item[] =>
  Object.entries(todos)
    .map(([id, { text, done, order }]) => ({
      id,
      text: String(text),
      done: done === true,
      order: Number(order),
    }))
    .sort((a, b) => a.order - b.order || (a.id < b.id ? -1 : 1))

export const add = (todos: Todos, items: readonly Item[], text: string): void => {
  const order = (items.at(-1)?.order ?? 0) + 1
  const fields: [string, string | boolean | number][] = [
    ['text', text],
    ['done', false],
    ['order', order],
  ]
  todos.set(crypto.randomUUID(), new Y.Map<string | boolean | number>(fields))
}

/** Moves an item by one place: up by -1, down by 1. */
export const move = (todos: Todos, items: readonly Item[], item: Item, by: -1 | 1): void => {
  const at = items.indexOf(item) + by
  const next = items[at]
  if (next === undefined) return
  const beyond = items[at + by]
  const order = beyond === undefined ? next.order + by : (next.order + beyond.order) / 2
  todos.get(item.id)?.set('order', order)
}
