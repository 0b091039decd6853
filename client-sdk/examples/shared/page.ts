/* What the pages of the examples have in common. */

/** The Weft server that belongs to the page, as serve.ts wrote it into it. */
export const weftUrl = (): string =>
  document.querySelector<HTMLMetaElement>('meta[name="weft-url"]')?.content ?? location.origin

/** The room in the address, `?room=name`, so that a link leads to the same one. */
export const roomName = (otherwise: string): string =>
  new URLSearchParams(location.search).get('room') ?? otherwise
