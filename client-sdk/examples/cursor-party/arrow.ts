/* A pointer, painted once per colour: copying a picture is cheaper than filling a path. */

const painted = new Map<string, HTMLCanvasElement>()
/** Colours come from others: no more of them are kept than this. */
const mostColors = 64

/** The picture of a pointer whose tip is at its upper left. */
export const arrow = (color: string): HTMLCanvasElement => {
  const known = painted.get(color)
  if (known !== undefined) return known
  const picture = document.createElement('canvas')
  picture.width = 18
  picture.height = 22
  const context = picture.getContext('2d')
  if (context !== null) {
    context.fillStyle = color
    context.strokeStyle = '#fff'
    context.lineWidth = 1.5
    const path = new Path2D('M1 1 L1 17 L5.5 13 L8.5 20 L11.5 18.5 L8.5 12 L14.5 12 Z')
    context.fill(path)
    context.stroke(path)
  }
  if (painted.size >= mostColors) painted.clear()
  painted.set(color, picture)
  return picture
}
