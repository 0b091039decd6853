/* Everybody's pointer, hundreds of them: one canvas, drawn once a frame, however many updates came in between. */
import { createClient } from '@weft/client'
import { element, showHeader } from '../shared/header.js'
import { roomName, weftUrl } from '../shared/page.js'
import { somebody, type Person } from '../shared/person.js'
import '../shared/styles.css'
import './styles.css'
import { arrow } from './arrow.js'

interface Guest extends Person {
  /** Shares of the page's width and height, so that windows of all sizes agree. */
  readonly x: number
  readonly y: number
}

/** More names than this are a thicket, and drawing text is what costs. */
const mostNames = 40

const client = createClient({ url: weftUrl() })
const room = client.room<Guest>(roomName('cursor-party'))
room.presence.set(somebody())
showHeader(client, room)

const canvas = element('party') as HTMLCanvasElement
const context = canvas.getContext('2d')
let drawn: unknown = null

new ResizeObserver(() => {
  canvas.width = canvas.clientWidth
  canvas.height = canvas.clientHeight
  drawn = null
}).observe(canvas)

// Called for each move of the mouse; the SDK sends at most one frame per `presenceInterval`.
canvas.addEventListener('pointermove', ({ offsetX, offsetY }) =>
  room.presence.set({ x: offsetX / canvas.width, y: offsetY / canvas.height }),
)

const draw = (): void => {
  requestAnimationFrame(draw)
  const { others } = room.presence
  // The same array until something changes.
  if (others === drawn || context === null) return
  drawn = others
  context.clearRect(0, 0, canvas.width, canvas.height)
  context.font = '600 12px system-ui, sans-serif'
  for (const { presence } of others) {
    const { x, y, name, color = '#78716c' } = presence
    if (x === undefined || y === undefined) continue
    const left = Math.round(x * canvas.width)
    const top = Math.round(y * canvas.height)
    context.drawImage(arrow(color), left, top)
    if (name === undefined || others.length > mostNames) continue
    context.fillStyle = color
    context.fillText(name, left + 14, top + 24)
  }
}
draw()
