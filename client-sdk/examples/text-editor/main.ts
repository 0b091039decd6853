/* A shared text: CodeMirror 6 with y-codemirror.next. */
import { defaultKeymap } from '@codemirror/commands'
import { EditorState } from '@codemirror/state'
import { EditorView, keymap } from '@codemirror/view'
import { createClient } from '@weft/client'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import { element, showHeader } from '../shared/header.js'
import { roomName, weftUrl } from '../shared/page.js'
import { somebody } from '../shared/person.js'
import '../shared/styles.css'
import './styles.css'

const client = createClient({ url: weftUrl() })
const room = client.room(roomName('text-editor'))
const me = somebody()
// The names that y-codemirror.next looks for; the selection's colour is the cursor's, lighter.
room.presence.set({ user: { ...me, colorLight: `${me.color}33` } })
showHeader(client, room)

const open = (): EditorView => {
  const text = room.doc.getText('text')
  return new EditorView({
    parent: element('editor'),
    doc: text.toJSON(),
    extensions: [
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': 'Shared text' }),
      EditorState.readOnly.of(room.access === 'read'),
      keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
      yCollab(text, room.awareness),
    ],
  })
}

let view = open()
const reopen = (): void => {
  view.destroy()
  view = open()
}
room.on('access', reopen)
// The room has another document now.
room.on('reset', reopen)
