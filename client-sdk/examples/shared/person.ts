/* Who uses the page: made up, as the examples have no accounts. */

/** What a page shows of its user. */
export interface Person {
  readonly name: string
  readonly color: string
}

const names = [
  'Ada',
  'Alan',
  'Barbara',
  'Edsger',
  'Frances',
  'Grace',
  'John',
  'Katherine',
  'Margaret',
  'Radia',
]
const colors = ['#c2410c', '#a16207', '#15803d', '#0f766e', '#0369a1', '#4338ca', '#7e22ce', '#be185d']

const oneOf = (values: readonly string[]): string => values[Math.floor(Math.random() * values.length)] ?? ''

/** Somebody, by the address (`?name=Ada`) or by chance. */
export const somebody = (): Person => ({
  name: new URLSearchParams(location.search).get('name') ?? oneOf(names),
  color: oneOf(colors),
})
