/* How a person looks: a name, initials and one of ten colours. */

/**
 * The colours on white, as other software shows them. The page itself uses them by their number, in a shade that suits
 * its theme (`--hue-0` … in styles.css): what others send never reaches a stylesheet.
 */
export const hues = [
  '#b4232f',
  '#a8480c',
  '#836000',
  '#4b7000',
  '#0f7a40',
  '#007577',
  '#0b68b8',
  '#5a4fcf',
  '#9030a5',
  '#b92873',
] as const

/** What a member shows to the others; `user` is as y-codemirror and its kin use it. */
export interface Presence {
  readonly user: { readonly name: string; readonly color: string; readonly colorLight: string }
}

/** A member as the page shows them. */
export interface Person {
  readonly clientId: number
  readonly name: string
  readonly hue: number
}

const maxNameLength = 40

/** Own presence. */
export const presenceOf = (name: string, hue: number): Presence => {
  const color = hues[hue % hues.length] ?? hues[0]
  return { user: { name, color, colorLight: `${color}33` } }
}

/** A member from what it shows, which may be anything: other software shares the room. */
export const personOf = (clientId: number, presence: unknown): Person => {
  const user = field(presence, 'user')
  const color = field(user, 'color')
  const known = hues.findIndex((hue) => hue === color)
  return {
    clientId,
    name: cleanName(field(user, 'name')) ?? 'Somebody',
    hue: known < 0 ? clientId % hues.length : known,
  }
}

/** A name in one line and of bearable length, or null where there is none. */
export const cleanName = (name: unknown): string | null => {
  if (typeof name !== 'string') return null
  const line = name
    .slice(0, 1000)
    // Controls, also those that turn the direction of the text around them; joiners are part of what they join.
    .replace(/[\p{Cc}\p{Bidi_Control}\s]+/gu, ' ')
    .trim()
  return !/[\p{L}\p{N}\p{P}\p{S}]/u.test(line)
    ? null
    : [...segments(line)].slice(0, maxNameLength).join('').trim()
}

/** One or two letters that stand for a name. */
export const initials = (name: string): string => {
  const words = name.split(' ').filter((word) => word !== '')
  const ends = words.length > 1 ? [words[0], words.at(-1)] : [words[0]]
  return ends
    .map((word) => segments(word ?? '').next().value ?? '')
    .join('')
    .toUpperCase()
}

/**
 * The colour for a member who has `own` now. Of two with the same one, the one with the greater id takes another: both see
 * the same, so exactly one of them moves. With more people than colours, some share.
 */
export const settleHue = (own: Pick<Person, 'clientId' | 'hue'>, others: readonly Person[]): number => {
  if (!others.some(({ clientId, hue }) => hue === own.hue && clientId < own.clientId)) return own.hue
  const taken = new Set(others.map(({ hue }) => hue))
  const order = hues.map((_, index) => (own.hue + index * 3) % hues.length)
  return order.find((hue) => !taken.has(hue)) ?? own.hue
}

const field = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined

/** What people count as characters: an emoji of several code points is one. */
function* segments(text: string): Generator<string, undefined> {
  for (const { segment } of new Intl.Segmenter().segment(text)) yield segment
}
