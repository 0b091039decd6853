import type { Statistic } from '../measure/statistics.js'
import type { ScenarioResult } from './result.js'

/** A number as tables show it: grouped thousands, so many digits after the point. */
export const formatNumber = (value: number, digits: number): string =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })

/** The median, and the range of the repetitions where they differ. */
export const formatStatistic = ({ median, min, max }: Statistic, digits: number): string => {
  const [shown, low, high] = [median, min, max].map((value) => formatNumber(value, digits))
  return low === high ? shown! : `${shown!} (${low!}–${high!})`
}

/** A scenario's table, goals and notes in Markdown. */
export const formatScenario = (result: ScenarioResult): string => {
  const columns = result.columns.filter(({ key }) => result.rows.some((row) => key in row.values))
  const lines = [`## ${result.scenario}: ${result.title}`, '']
  lines.push(`| point | server | ${columns.map(({ label }) => label).join(' | ')} |`)
  lines.push(`|---|---|${columns.map(() => '---:').join('|')}|`)
  for (const row of result.rows) {
    const cells = columns.map(({ key, digits }) => {
      const value = row.values[key]
      return value ? formatStatistic(value, digits) : ''
    })
    lines.push(`| ${row.point} | ${row.target} | ${cells.join(' | ')} |`)
  }
  if (result.goals.length > 0) {
    lines.push('', '| figure to reach | limit | measured | met |', '|---|---:|---:|---|')
    for (const goal of result.goals) {
      const digits = goal.limit < 10 ? 2 : 0
      const numbers = [goal.limit, goal.measured].map((value) => formatNumber(value, digits))
      lines.push(`| ${goal.text} | ${numbers.join(' | ')} | ${goal.met ? 'yes' : 'no'} |`)
    }
  }
  const complaints = result.rows.flatMap((row) =>
    row.complaints.map((text) => `${row.point}, ${row.target}: ${text}`),
  )
  const notes = [...result.notes, ...complaints]
  if (notes.length > 0) lines.push('', ...notes.map((note) => `- ${note}`))
  return `${lines.join('\n')}\n`
}
