/* The message above the text: why the server refuses, and what can be done. */
import { byId, make } from './dom.js'
import type { Refusal } from './status-text.js'

/** The message above the text. */
export interface Notice {
  refuse(refusal: Refusal): void
  /** Something that happened, and that the reader may put away. */
  tell(title: string, text: string): void
  hide(): void
}

/** @param useToken called with a token that was pasted */
export const createNotice = (useToken: (token: string) => void): Notice => {
  const element = byId('notice', HTMLElement)
  let shown = ''

  const show = (tone: 'bad' | 'wait', title: string, text: string, ...rest: Node[]): void => {
    const key = `${tone} ${title} ${text}`
    // The same again must not take the token field from under somebody's fingers.
    if (!element.hidden && shown === key) return
    shown = key
    element.dataset['tone'] = tone
    element.replaceChildren(make('h2', '', title), make('p', '', text), ...rest)
    element.hidden = false
  }

  const tokenForm = (): HTMLFormElement => {
    const label = make('label', 'unseen', 'Token')
    const input = make('input')
    label.htmlFor = input.id = 'token'
    input.placeholder = 'eyJhbGciOi…'
    input.autocomplete = 'off'
    input.spellcheck = false
    input.required = true
    const button = make('button', 'primary', 'Use this token')
    const form = make('form', 'token', label, input, button)
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      const token = input.value.trim()
      if (token !== '') useToken(token)
    })
    return form
  }

  const hide = (): void => {
    element.hidden = true
    element.replaceChildren()
  }

  return {
    refuse: ({ title, text, asksForToken }) =>
      show('bad', title, text, ...(asksForToken ? [tokenForm()] : [])),
    tell: (title, text) => {
      const button = make('button', 'quiet', 'Got it')
      button.type = 'button'
      button.addEventListener('click', hide)
      show('wait', title, text, button)
    },
    hide,
  }
}
