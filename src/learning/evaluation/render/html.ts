import type { EvaluationReport } from '../report.ts'
import { chart, escapeHtml } from './chart.ts'
import { count, dollars, quality } from './numbers.ts'
import { resultsTable } from './results-table.ts'
import { heading, reportText } from './text.ts'

/** The report as one page that needs nothing else: no script, no font, no request. Light and dark by the reader's setting. */
export function reportHtml(report: EvaluationReport): string {
  const { gate } = report
  const tasks = report.methods[0]?.tasks ?? []
  const method = report.methods[0]?.method ?? ''
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(report.name)}: router evaluation</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(report.name)}</h1>
<p class="facts">${escapeHtml(heading(report))}</p>
<p class="verdict ${gate.passed ? 'passed' : 'failed'}">Gate ${gate.passed ? 'passed' : 'failed'}</p>
<ul class="checks">${gate.checks.map(check => `<li>${check.passed ? '✓' : '✗'} <b>${escapeHtml(check.name)}</b>: ${escapeHtml(check.found)}</li>`).join('')}</ul>
<figure>
${chart(report)}
<figcaption><span class="key router"></span>${escapeHtml(method)} <span class="key free"></span>hull of single models <span class="key dot"></span>single model${report.baselines.oracle === undefined ? '' : ' <span class="key diamond"></span>oracle'}</figcaption>
</figure>
<h2>Results</h2>
<div class="wide">${table(resultsTable(report))}</div>
${tasks.length === 0 ? '' : `<h2>By task</h2><div class="wide">${table([['task', 'prompts', 'router', '$/1k', 'best single', 'oracle'], ...tasks.map(task => [task.task, count(task.rows), quality(task.quality), dollars(task.costPer1k), quality(task.bestSingleQuality), quality(task.oracleQuality)])])}</div>`}
<details><summary>Everything, as text</summary><pre>${escapeHtml(reportText(report))}</pre></details>
<p class="facts">data ${escapeHtml(report.datasetHash.slice(0, 12))}, ${escapeHtml(report.createdAt)}</p>
</main>
</body>
</html>
`
}

function table([head = [], ...body]: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: string): string =>
    `<tr>${row.map(cell => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`
  return `<table><thead>${cells(head, 'th')}</thead><tbody>${body.map(row => cells(row, 'td')).join('')}</tbody></table>`
}

const style = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5c6570;--line:#e3e6ea;--paper:#fff;--router:#0b62c4;--free:#8a93a0;--model:#3f4752;--good:#1a7f43;--bad:#b3261e;--oracle:#a35c00}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#9aa3ae;--line:#2b3138;--paper:#14171b;--router:#6cb2ff;--free:#78828f;--model:#c4cad2;--good:#5fd08a;--bad:#ff8a80;--oracle:#f0b35a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:960px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:32px 0 8px}
.facts{color:var(--soft);margin:0 0 12px}
.verdict{font-weight:600;margin:0}.passed{color:var(--good)}.failed{color:var(--bad)}
.checks{list-style:none;padding:0;margin:4px 0 16px;color:var(--soft)}.checks b{color:var(--ink);font-weight:600}
figure{margin:0}svg{display:block;width:100%;height:auto}
figcaption{color:var(--soft);font-size:13px;padding-left:64px}
.key{display:inline-block;width:18px;height:3px;margin:0 6px 3px 14px;vertical-align:middle;border-radius:2px}
.key.router{background:var(--router);margin-left:0}.key.free{background:var(--free)}
.key.dot{width:9px;height:9px;border-radius:50%;background:var(--model)}
.key.diamond{width:8px;height:8px;background:var(--oracle);transform:rotate(45deg);border-radius:0}
.grid{stroke:var(--line)}.tick,.axis,.name{font-size:12px;fill:var(--soft)}.name{fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
polyline{fill:none}polyline.router{stroke:var(--router);stroke-width:2.5}polyline.free{stroke:var(--free);stroke-width:2;stroke-dasharray:5 4}
circle.point{fill:var(--router)}circle.model{fill:var(--model);stroke:var(--paper);stroke-width:1.5}path.oracle{fill:var(--oracle)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
th,td{padding:5px 12px 5px 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:600}
details{margin-top:28px}pre{overflow-x:auto;font-size:12.5px;line-height:1.45}
`.replaceAll('\n', '')
