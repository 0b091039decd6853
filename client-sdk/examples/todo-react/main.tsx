/* A todo list that several people edit. */
import { createClient } from '@weft/client'
import { WeftProvider } from '@weft/client/react'
import { StrictMode, useState, type ReactNode } from 'react'
import { createRoot } from 'react-dom/client'
import { roomName, weftUrl } from '../shared/page.js'
import {
  add,
  itemsOf,
  move,
  RoomProvider,
  useOthers,
  useSaved,
  useSharedMap,
  useStatus,
  useSynced,
} from './room.js'
import type { Todo } from './room.js'
import './styles.css'

const client = createClient({ url: weftUrl() })
const name = `Guest ${Math.floor(Math.random() * 900) + 100}`

const List = (): ReactNode => {
  const [snapshot, todos] = useSharedMap<Todo>('todos')
  const synced = useSynced()
  const [text, setText] = useState('')
  const items = itemsOf(snapshot)
  return (
    <>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (text.trim() === '') return
          add(todos, items, text.trim())
          setText('')
        }}
      >
        <input
          aria-label="New todo"
          placeholder="What is to be done?"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <button>Add</button>
      </form>
      <ol>
        {items.map((item, at) => (
          <li key={item.id} className={item.done ? 'done' : ''}>
            <label>
              <input
                type="checkbox"
                checked={item.done}
                onChange={() => todos.get(item.id)?.set('done', !item.done)}
              />
              <span>{item.text}</span>
            </label>
            <button
              aria-label={`Move ${item.text} up`}
              disabled={at === 0}
              onClick={() => move(todos, items, item, -1)}
            >
              ↑
            </button>
            <button
              aria-label={`Move ${item.text} down`}
              disabled={at === items.length - 1}
              onClick={() => move(todos, items, item, 1)}
            >
              ↓
            </button>
            <button aria-label={`Delete ${item.text}`} onClick={() => todos.delete(item.id)}>
              ×
            </button>
          </li>
        ))}
      </ol>
      {items.length === 0 && (
        <p className="hint">{synced ? 'Nothing to do. Open this page twice.' : 'Opening…'}</p>
      )}
    </>
  )
}

const Footer = (): ReactNode => {
  const { saved, unsaved } = useSaved()
  const status = useStatus()
  const names = useOthers((others) => others.map(({ presence }) => presence.name ?? 'Somebody'))
  return (
    <footer>
      <span id="saved">{saved ? 'All changes saved' : `${unsaved} unsaved`}</span>
      <span id="status">{status}</span>
      <span id="others">{names.length === 0 ? 'Only you' : `With ${names.join(', ')}`}</span>
    </footer>
  )
}

const app = document.getElementById('app')
if (app !== null) {
  createRoot(app).render(
    <StrictMode>
      <WeftProvider client={client}>
        <RoomProvider name={roomName('todo')} presence={{ name }}>
          <h1>Todo</h1>
          <List />
          <Footer />
        </RoomProvider>
      </WeftProvider>
    </StrictMode>,
  )
}
