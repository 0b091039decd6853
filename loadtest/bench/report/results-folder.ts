import { resolve } from 'node:path'

/**
 * Where a command writes what it found.
 * @param out a folder that was asked for, relative to where npm was called: npm runs commands in the package's folder
 * @returns `loadtest/results` without one
 */
export const resultsFolder = (out: string | null): string =>
  out === null
    ? new URL('../../../results', import.meta.url).pathname
    : resolve(process.env['INIT_CWD'] ?? '.', out)
