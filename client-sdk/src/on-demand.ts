/*
 * The code that a page loads when it first needs it: bundlers make a chunk of each. What these files have in common with the
 * core is handed to them: imported there as well, it would leave the core for one more chunk, which every page had to load.
 */
export const onDemand = {
  /** What becomes of refused changes, and of those of a room that was deleted and made again. */
  refusal: () => import('./refusal.js'),
  /** What hands the events of a room to those who listen. */
  eventReader: () => import('./event-reader.js'),
  /** What replaces a token before it expires. */
  tokenRefresh: () => import('./token-refresh.js'),
}
