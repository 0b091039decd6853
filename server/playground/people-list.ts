/* The row of people: this one, whose name can be changed, and the others. */
import { byId, make, setText } from './dom.js'
import { cleanName, hues, initials, type Person } from './people.js'

/** The row of people. */
export interface PeopleList {
  showOwn(name: string, hue: number): void
  showOthers(others: readonly Person[]): void
}

const hueClasses = hues.map((_, hue) => `hue-${hue}`)

/** @param renamed called with the name that this person has typed */
export const createPeopleList = (renamed: (name: string) => void): PeopleList => {
  const list = byId('people', HTMLUListElement)
  const own = byId('you', HTMLLIElement)
  const avatar = byId('own-avatar', HTMLElement)
  const input = byId('name', HTMLInputElement)
  const shown = new Map<number, { person: Person; item: HTMLLIElement }>()
  let name = ''

  // `field-sizing: content` in browsers that have it; the others get about as much room as the name needs.
  const fit = (): void => {
    if (!CSS.supports('field-sizing', 'content'))
      input.style.width = `${Math.max(4, input.value.length + 1)}ch`
  }
  const paint = (element: HTMLElement, hue: number): void => {
    element.classList.remove(...hueClasses)
    element.classList.add(`hue-${hue}`)
  }

  input.addEventListener('input', () => {
    fit()
    const typed = cleanName(input.value)
    if (typed !== null) renamed(typed)
  })
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' || event.key === 'Escape') input.blur()
  })
  input.addEventListener('focus', () => input.select())
  input.addEventListener('blur', () => {
    // An empty name is no name: the one before stays.
    input.value = name
    fit()
  })

  return {
    showOwn(next, hue) {
      name = next
      paint(own, hue)
      setText(avatar, initials(next))
      if (document.activeElement !== input) input.value = next
      fit()
    },
    showOthers(others) {
      const present = new Set(others.map(({ clientId }) => clientId))
      for (const [clientId, { item }] of shown) {
        if (present.has(clientId)) continue
        item.remove()
        shown.delete(clientId)
      }
      for (const person of others) {
        const before = shown.get(person.clientId)
        if (before !== undefined && before.person.name === person.name && before.person.hue === person.hue)
          continue
        const item = before?.item ?? list.appendChild(make('li', 'person'))
        paint(item, person.hue)
        const face = make('span', 'avatar', initials(person.name))
        face.setAttribute('aria-hidden', 'true')
        item.replaceChildren(face, make('span', 'person-name', person.name))
        item.title = person.name
        shown.set(person.clientId, { person, item })
      }
    },
  }
}
