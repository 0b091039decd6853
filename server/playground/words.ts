/* Names that people can read out to each other. */

const adjectives = [
  'amber', 'brisk', 'calm', 'clever', 'copper', 'early', 'gentle', 'golden', 'hidden', 'jolly', 'keen', 'kind',
  'late', 'lucky', 'mellow', 'misty', 'noble', 'patient', 'plain', 'proud', 'quick', 'quiet', 'rosy', 'silver',
  'steady', 'still', 'sunny', 'swift', 'tidal', 'velvet', 'warm', 'wild',
] // prettier-ignore

const places = [
  'bay', 'bridge', 'brook', 'canyon', 'cove', 'delta', 'dune', 'fjord', 'forest', 'garden', 'grove', 'harbor',
  'hill', 'island', 'lagoon', 'lake', 'ledge', 'marsh', 'meadow', 'mesa', 'orchard', 'pass', 'pond', 'reef',
  'ridge', 'river', 'shore', 'spring', 'summit', 'valley', 'wharf', 'willow',
] // prettier-ignore

const animals = [
  'Badger', 'Bee', 'Crane', 'Dolphin', 'Falcon', 'Finch', 'Fox', 'Gecko', 'Hare', 'Heron', 'Ibis', 'Jay', 'Koala',
  'Lark', 'Lynx', 'Marten', 'Newt', 'Otter', 'Owl', 'Panda', 'Puffin', 'Quail', 'Raven', 'Robin', 'Seal', 'Stoat',
  'Swan', 'Tern', 'Toad', 'Vole', 'Wren', 'Yak',
] // prettier-ignore

const pick = (from: readonly string[], random: () => number): string =>
  from[Math.floor(random() * from.length)] ?? ''

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1)

/** A room name such as `quiet-harbor-417`: one of some 900,000. */
export const inventRoomName = (random: () => number = Math.random): string =>
  `${pick(adjectives, random)}-${pick(places, random)}-${100 + Math.floor(random() * 900)}`

/** A person's name such as `Gentle Otter`. */
export const inventPersonName = (random: () => number = Math.random): string =>
  `${capital(pick(adjectives, random))} ${pick(animals, random)}`
