import { until } from '@weft/server/testing'
import type { StockTypist } from './stock-typist.js'
import type { Crew } from './typists.js'

/**
 * People stop, and everybody ends with the same: everything acknowledged is in it, and everything typed, once.
 * @returns what was acknowledged and is not there, and whatever else is wrong; both must be nothing
 */
export const converge = async (
  crew: Crew,
  stock: readonly StockTypist[],
): Promise<{ lost: string[]; wrong: string[] }> => {
  for (const typist of stock) typist.stop()
  const elsewhere = new Map<string, string[]>()
  for (const { room, typed } of stock) elsewhere.set(room, [...(elsewhere.get(room) ?? []), ...typed])
  const { lost, wrong } = await crew.verify(elsewhere)
  const fresh = await crew.fresh()
  for (const typist of stock) {
    const content = fresh.get(typist.room)?.join()
    await until(() => typist.content.join() === content, `the stock client sees the same in ${typist.room}`)
  }
  return { lost, wrong }
}
