/* The messages on the page: the committed ones in seq order and once each, below them those on their way. */

/** What is said, and by whom. */
export interface Message {
  readonly name: string
  readonly color: string
  readonly text: string
}

export class MessageList {
  private readonly list: HTMLElement
  private readonly scroller: HTMLElement
  private readonly placed = new Map<number, HTMLElement>()

  constructor(list: HTMLElement, scroller: HTMLElement) {
    this.list = list
    this.scroller = scroller
  }

  /** Shows a committed message at its place. One that is shown already is not shown again. */
  place(seq: number, message: Message, own: boolean): void {
    if (this.placed.has(seq)) return
    const item = line(message, own ? 'sent' : '')
    item.dataset['seq'] = String(seq)
    this.placed.set(seq, item)
    this.stayAtEnd(() => {
      let next: Element | null = null
      // From the end: most messages are the newest.
      for (let at = this.list.lastElementChild; at !== null; at = at.previousElementSibling) {
        if (at instanceof HTMLElement && Number(at.dataset['seq'] ?? Infinity) < seq) break
        next = at
      }
      this.list.insertBefore(item, next)
    })
  }

  /** Shows a message that is on its way. */
  pend(message: Message): HTMLElement {
    const item = line(message, 'sending')
    this.list.append(item)
    this.scroller.scrollTop = this.scroller.scrollHeight
    return item
  }

  /** The server has refused a message. */
  fail(item: HTMLElement, why: string): void {
    item.dataset['state'] = `not sent: ${why}`
  }

  /** Adds older messages without moving those that are being read. */
  keepScroll(add: () => void): void {
    const fromEnd = this.scroller.scrollHeight - this.scroller.scrollTop
    add()
    this.scroller.scrollTop = this.scroller.scrollHeight - fromEnd
  }

  clear(): void {
    for (const item of this.placed.values()) item.remove()
    this.placed.clear()
  }

  private stayAtEnd(change: () => void): void {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller
    const atEnd = scrollHeight - scrollTop - clientHeight < 40
    change()
    if (atEnd) this.scroller.scrollTop = this.scroller.scrollHeight
  }
}

const line = ({ name, color, text }: Message, state: string): HTMLElement => {
  const item = document.createElement('li')
  const author = document.createElement('b')
  author.textContent = name
  author.style.color = color
  const said = document.createElement('span')
  said.textContent = text
  item.append(author, ' ', said)
  item.dataset['state'] = state
  return item
}
