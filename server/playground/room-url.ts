/* The room is in the page's URL: `/?room=design%2F42`. A token comes in the fragment, which no server sees. */

/** The room that a URL names, or null. */
export const roomOf = (url: URL): string | null => {
  const name = url.searchParams.get('room')
  return name === null || name === '' ? null : name
}

/** The URL of a room on this page: nothing else of the present one is kept, least of all a token. */
export const urlOf = (room: string, page: URL): string =>
  // Not through searchParams: a space would become a plus, which people take for one.
  `${page.origin}${page.pathname}?room=${encodeURIComponent(room)}`

/** The token in a fragment `#token=…`, or null. */
export const tokenOf = (url: URL): string | null => {
  const token = new URLSearchParams(url.hash.slice(1)).get('token')
  return token === null || token === '' ? null : token
}
