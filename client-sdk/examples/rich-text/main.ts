/* A shared rich text: Tiptap 3 with its own collaboration extensions. */
import { Editor } from '@tiptap/core'
import Collaboration from '@tiptap/extension-collaboration'
import CollaborationCaret from '@tiptap/extension-collaboration-caret'
import StarterKit from '@tiptap/starter-kit'
import { createClient } from '@weft/client'
import * as Y from 'yjs'
import { element, showHeader } from '../shared/header.js'
import { roomName, weftUrl } from '../shared/page.js'
import { somebody } from '../shared/person.js'
import '../shared/styles.css'
import './styles.css'

const client = createClient({ url: weftUrl() })
const room = client.room(roomName('rich-text'))
const me = somebody()
showHeader(client, room)

/** Tiptap keeps its content in the fragment of this name. */
const field = 'default'

// Whoever comes first fills the room; for all the others, and from then on, this does nothing.
void room.seed((doc) => {
  const heading = new Y.XmlElement('heading')
  // The typings know attributes as strings; Tiptap wants the number.
  heading.setAttribute('level', 1 as unknown as string)
  heading.insert(0, [new Y.XmlText('Welcome')])
  const paragraph = new Y.XmlElement('paragraph')
  paragraph.insert(0, [new Y.XmlText('Open this page twice, and write.')])
  doc.getXmlFragment(field).insert(0, [heading, paragraph])
})

const open = (): Editor =>
  new Editor({
    element: element('editor'),
    editable: room.access !== 'read',
    editorProps: { attributes: { 'aria-label': 'Shared text' } },
    extensions: [
      // Undo is Yjs's: it undoes what this user did, and nobody else's changes.
      StarterKit.configure({ undoRedo: false }),
      Collaboration.configure({ document: room.doc, field }),
      CollaborationCaret.configure({ provider: { awareness: room.awareness }, user: me }),
    ],
  })

let editor = open()
room.on('access', (access) => editor.setEditable(access !== 'read'))
// The room has another document now.
room.on('reset', () => {
  editor.destroy()
  editor = open()
})
