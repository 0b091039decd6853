/* Web storage that may be full, forbidden or absent: then nothing is remembered, and nothing fails. */

/** How long a value is kept: by the browser, or by this tab across reloads. */
export type Keep = 'browser' | 'tab'

const area = (keep: Keep): Storage => (keep === 'browser' ? localStorage : sessionStorage)

export const recall = (keep: Keep, key: string): string | null => {
  try {
    return area(keep).getItem(`weft.${key}`)
  } catch {
    // Storage is forbidden here.
    return null
  }
}

/** Null forgets the value. */
export const remember = (keep: Keep, key: string, value: string | null): void => {
  try {
    if (value === null) area(keep).removeItem(`weft.${key}`)
    else area(keep).setItem(`weft.${key}`, value)
  } catch {
    // Storage is forbidden or full: the value lasts as long as the page.
  }
}
