/* The shared text in a CodeMirror. */
import { defaultKeymap } from '@codemirror/commands'
import { Compartment, EditorState } from '@codemirror/state'
import { EditorView, drawSelection, dropCursor, highlightSpecialChars, keymap } from '@codemirror/view'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import { prose } from './prose.js'
import { remoteCursors } from './remote-cursors.js'

/** The shared text's name in the document: clients of other makes find it there. */
const textName = 'text'

/** A mounted editor. */
export interface Editor {
  readonly text: Y.Text
  setWritable(writable: boolean): void
  focus(): void
  destroy(): void
}

const theme = EditorView.theme({
  '&': { height: '100%', color: 'var(--ink)', backgroundColor: 'transparent', fontSize: 'var(--text-size)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': {
    fontFamily: 'var(--serif)',
    lineHeight: '1.7',
    overflowX: 'hidden',
    overscrollBehavior: 'contain',
  },
  '.cm-content': {
    boxSizing: 'border-box',
    width: '100%',
    maxWidth: 'var(--measure)',
    margin: '0 auto',
    padding: 'var(--text-top) var(--text-side) 40vh',
    caretColor: 'var(--accent)',
  },
  '.cm-line': { padding: '0' },
  '.cm-cursor': { borderLeft: '2px solid var(--accent)', marginLeft: '-1px' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    background: 'var(--selection)',
  },
  '.cm-dropCursor': { borderLeft: '2px solid var(--accent)' },
})

/**
 * Mounts an editor for a document. It lives in a shadow root: there CodeMirror uses constructed style sheets, where in the
 * page it would add <style> elements, which the Content-Security-Policy forbids.
 */
export const mountEditor = (host: HTMLElement, doc: Y.Doc, awareness: Awareness): Editor => {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open', delegatesFocus: true })
  const text = doc.getText(textName)
  const writable = new Compartment()
  const access = (may: boolean) => [EditorState.readOnly.of(!may), EditorView.editable.of(may)]
  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      doc: text.toJSON(),
      extensions: [
        highlightSpecialChars(),
        drawSelection(),
        dropCursor(),
        EditorView.lineWrapping,
        // Tab is not bound: it leaves the text, as everywhere on the page.
        keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
        EditorView.contentAttributes.of({
          'aria-label': 'Shared text',
          spellcheck: 'true',
          autocorrect: 'on',
          autocapitalize: 'sentences',
        }),
        writable.of(access(false)),
        yCollab(text, null),
        remoteCursors(text, awareness),
        prose,
        theme,
      ],
    }),
  })
  return {
    text,
    setWritable: (may) => view.dispatch({ effects: writable.reconfigure(access(may)) }),
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  }
}
