/*
 * The cursors and selections of the others.
 *
 * y-codemirror.next brings such a plugin; this one differs in that it sets no style attributes (colours are classes: the
 * page's Content-Security-Policy forbids inline styles, and what others send must not reach a stylesheet), takes positions
 * that make no sense for no position, and shows a name while its cursor moves. The presence fields are the same.
 */
import { Annotation, type Extension } from '@codemirror/state'
import {
  Decoration,
  EditorView,
  ViewPlugin,
  WidgetType,
  type DecorationSet,
  type PluginValue,
  type ViewUpdate,
} from '@codemirror/view'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { hues, personOf, type Person } from './people.js'

/** The others have moved. */
const moved = Annotation.define<true>()

interface Caret extends Person {
  readonly anchor: number
  readonly head: number
}

class CaretWidget extends WidgetType {
  private readonly caret: Caret
  /** Counts the caret's moves: the name shows anew after each. */
  private readonly moves: number

  constructor(caret: Caret, moves: number) {
    super()
    this.caret = caret
    this.moves = moves
  }

  override eq(other: CaretWidget): boolean {
    const { clientId, name, hue } = this.caret
    return (
      other.moves === this.moves &&
      other.caret.clientId === clientId &&
      other.caret.name === name &&
      other.caret.hue === hue
    )
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement('span')
    caret.className = `cm-peer hue-${this.caret.hue}`
    caret.setAttribute('aria-hidden', 'true')
    const name = document.createElement('span')
    name.className = 'cm-peer-name'
    name.textContent = this.caret.name
    // A word joiner on either side: the caret breaks no line.
    caret.append('\u2060', name, '\u2060')
    return caret
  }

  override ignoreEvent(): boolean {
    return true
  }
}

const selectionMarks = hues.map((_, hue) => Decoration.mark({ class: `cm-peer-selection hue-${hue}` }))

class RemoteCursors implements PluginValue {
  decorations: DecorationSet = Decoration.none
  private readonly view: EditorView
  private readonly text: Y.Text
  private readonly awareness: Awareness
  private readonly moves = new Map<number, { key: string; count: number }>()

  constructor(view: EditorView, text: Y.Text, awareness: Awareness) {
    this.view = view
    this.text = text
    this.awareness = awareness
    awareness.on('change', this.onChange)
    this.decorations = this.draw(view.state.doc.length)
  }

  update(update: ViewUpdate): void {
    if (update.selectionSet || (update.focusChanged && update.view.hasFocus)) this.publish(update)
    if (
      update.docChanged ||
      update.transactions.some((transaction) => transaction.annotation(moved) === true)
    ) {
      this.decorations = this.draw(update.state.doc.length)
    }
  }

  destroy(): void {
    this.awareness.off('change', this.onChange)
  }

  private readonly onChange = (changes: { added: number[]; updated: number[]; removed: number[] }): void => {
    const own = this.awareness.clientID
    const ids = [...changes.added, ...changes.updated, ...changes.removed]
    if (ids.some((id) => id !== own)) this.view.dispatch({ annotations: moved.of(true) })
  }

  private publish({ state, view }: ViewUpdate): void {
    // One who has not been in the text has no cursor there; one who leaves it keeps it.
    if (!view.hasFocus || this.awareness.getLocalState() === null) return
    const { anchor, head } = state.selection.main
    this.awareness.setLocalStateField('cursor', {
      anchor: Y.createRelativePositionFromTypeIndex(this.text, anchor),
      head: Y.createRelativePositionFromTypeIndex(this.text, head),
    })
  }

  private draw(length: number): DecorationSet {
    const carets: Caret[] = []
    for (const [clientId, state] of this.awareness.getStates()) {
      if (clientId === this.awareness.clientID) continue
      const anchor = this.indexOf(state, 'anchor', length)
      const head = this.indexOf(state, 'head', length)
      if (anchor !== null && head !== null) carets.push({ ...personOf(clientId, state), anchor, head })
    }
    const ranges = carets.flatMap((caret) => {
      const { anchor, head } = caret
      const widget = Decoration.widget({
        widget: new CaretWidget(caret, this.countMoves(caret)),
        side: head > anchor ? -1 : 1,
      })
      const mark = selectionMarks[caret.hue]
      const at = widget.range(head)
      return anchor === head || mark === undefined
        ? [at]
        : [at, mark.range(Math.min(anchor, head), Math.max(anchor, head))]
    })
    return Decoration.set(ranges, true)
  }

  /** How often a caret was moved by its owner; an edit before it moves it too, but is no news. */
  private countMoves({ clientId }: Caret): number {
    const key = JSON.stringify(this.awareness.getStates().get(clientId)?.['cursor'])
    const before = this.moves.get(clientId)
    if (before?.key === key) return before.count
    const count = (before?.count ?? 0) + 1
    this.moves.set(clientId, { key, count })
    return count
  }

  private indexOf(
    state: Readonly<Record<string, unknown>>,
    end: 'anchor' | 'head',
    length: number,
  ): number | null {
    const { cursor } = state
    if (typeof cursor !== 'object' || cursor === null) return null
    const json: unknown = (cursor as Readonly<Record<string, unknown>>)[end]
    try {
      const position = Y.createAbsolutePositionFromRelativePosition(
        Y.createRelativePositionFromJSON(json),
        this.text.doc ?? new Y.Doc(),
      )
      return position?.type === this.text ? Math.min(position.index, length) : null
    } catch {
      // Anybody may send anything as a position.
      return null
    }
  }
}

const theme = EditorView.baseTheme({
  '.cm-peer': {
    position: 'relative',
    borderLeft: '2px solid var(--hue)',
    marginLeft: '-1px',
    marginRight: '-1px',
    pointerEvents: 'none',
  },
  '.cm-peer-name': {
    position: 'absolute',
    bottom: '100%',
    left: '-2px',
    padding: '0.1em 0.5em',
    borderRadius: '0.35em 0.35em 0.35em 0',
    backgroundColor: 'var(--hue)',
    color: 'var(--on-hue)',
    font: '600 11px/1.5 var(--sans)',
    letterSpacing: '0.01em',
    whiteSpace: 'nowrap',
    userSelect: 'none',
    zIndex: '5',
    animation: 'weft-peer-name 4s ease-in forwards',
  },
  '@keyframes weft-peer-name': { '0%, 85%': { opacity: '1' }, '100%': { opacity: '0' } },
  '@media (prefers-reduced-motion: reduce)': { '.cm-peer-name': { animationTimingFunction: 'step-end' } },
  '.cm-peer-selection': { backgroundColor: 'color-mix(in srgb, var(--hue) 22%, transparent)' },
  ...Object.fromEntries(hues.map((_, hue) => [`.hue-${hue}`, { '--hue': `var(--hue-${hue})` }])),
})

/** Shows the others' cursors in a text, and this member's to them. Goes after the plugin that syncs the text. */
export const remoteCursors = (text: Y.Text, awareness: Awareness): Extension => [
  ViewPlugin.define((view) => new RemoteCursors(view, text, awareness), {
    decorations: (plugin) => plugin.decorations,
  }),
  theme,
]
