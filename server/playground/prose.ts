/* Makes Markdown look like what it means, line by line: headings, quotes and lists. The text stays as it is. */
import { RangeSetBuilder, type Extension } from '@codemirror/state'
import { Decoration, EditorView, ViewPlugin, type DecorationSet } from '@codemirror/view'

const mark = Decoration.mark({ class: 'cm-markup' })
const lines = {
  '#': Decoration.line({ class: 'cm-h1' }),
  '##': Decoration.line({ class: 'cm-h2' }),
  '###': Decoration.line({ class: 'cm-h3' }),
  '>': Decoration.line({ class: 'cm-quote' }),
} as const

const markup = /^(#{1,3}|>|[-*]|\d{1,3}\.)\s/

const isLineMarkup = (text: string): text is keyof typeof lines => Object.hasOwn(lines, text)

const draw = (view: EditorView): DecorationSet => {
  const builder = new RangeSetBuilder<Decoration>()
  for (const { from, to } of view.visibleRanges) {
    for (let at = from; at <= to;) {
      const line = view.state.doc.lineAt(at)
      const found = markup.exec(line.text)?.[1]
      if (found !== undefined) {
        if (isLineMarkup(found)) builder.add(line.from, line.from, lines[found])
        builder.add(line.from, line.from + found.length, mark)
      }
      at = line.to + 1
    }
  }
  return builder.finish()
}

const theme = EditorView.baseTheme({
  '.cm-markup': { color: 'var(--faint)', fontWeight: '400' },
  '.cm-h1': { fontSize: '1.65em', lineHeight: '1.3', fontWeight: '600', letterSpacing: '-0.015em' },
  '.cm-h2': { fontSize: '1.3em', lineHeight: '1.4', fontWeight: '600', letterSpacing: '-0.01em' },
  '.cm-h3': { fontWeight: '600' },
  '.cm-quote': { fontStyle: 'italic', color: 'var(--muted)' },
})

/** Headings, quotes and list marks of Markdown. */
export const prose: Extension = [
  ViewPlugin.define(
    (view) => ({
      decorations: draw(view),
      update(update) {
        if (update.docChanged || update.viewportChanged) this.decorations = draw(update.view)
      },
    }),
    { decorations: (plugin) => plugin.decorations },
  ),
  theme,
]
