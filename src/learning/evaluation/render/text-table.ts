/** Columns of a fixed-width table: the first to the left, numbers to the right. */
export function textTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, [...cell].length)
    })
  return rows
    .map(row =>
      row
        .map((cell, at) => {
          const gap = ' '.repeat((widths[at] ?? 0) - [...cell].length)
          return at === 0 ? cell + gap : gap + cell
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
