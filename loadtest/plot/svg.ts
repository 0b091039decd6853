import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import * as vega from 'vega'
import { type TopLevelSpec, compile } from 'vega-lite'

/** What every plot looks like, unless its specification says otherwise. */
const look = {
  // Descriptions of every mark would be two thirds of a file.
  aria: false,
  background: 'white',
  font: 'system-ui, sans-serif',
  axis: { labelFontSize: 11, titleFontSize: 11 },
  legend: { labelFontSize: 11, titleFontSize: 11 },
  title: { fontSize: 14, anchor: 'start', offset: 12 },
} as const

/** Draws a Vega-Lite specification. @returns an SVG document that needs nothing else */
export const renderSvg = async (specification: TopLevelSpec): Promise<string> => {
  const { spec } = compile({ ...specification, config: { ...look, ...specification.config } })
  const view = new vega.View(vega.parse(spec), { renderer: 'none' })
  try {
    return `${await view.toSVG()}\n`
  } finally {
    view.finalize()
  }
}

/** Draws a Vega-Lite specification into a file; its folder is made. */
export const writeSvg = async (file: string, specification: TopLevelSpec): Promise<void> => {
  const svg = await renderSvg(specification)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, svg)
}
