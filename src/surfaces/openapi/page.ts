/** The API reference as one page without anything from elsewhere: it reads `/openapi.json` and draws it. */

export const pageStyle = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --soft: color-mix(in srgb, currentColor 6%, transparent) }
* { box-sizing: border-box }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; display: grid; grid-template-columns: 15rem 1fr; min-height: 100vh }
nav { border-right: 1px solid var(--line); padding: 1rem; position: sticky; top: 0; height: 100vh; overflow: auto }
nav a { display: block; padding: .15rem 0; color: inherit; text-decoration: none }
nav a:hover, nav a:focus-visible { text-decoration: underline }
main { padding: 1rem 2rem 4rem; max-width: 70rem }
input { width: 100%; padding: .4rem .6rem; font: inherit; margin: .5rem 0 1rem }
h1 { font-size: 1.3rem; margin: 0 } h2 { margin: 2rem 0 .5rem; font-size: 1.15rem }
details { border: 1px solid var(--line); border-radius: 6px; margin: .35rem 0 }
summary { cursor: pointer; padding: .4rem .7rem; display: flex; gap: .7rem; align-items: baseline }
details > div { padding: .2rem 1rem 1rem; border-top: 1px solid var(--line) }
code, pre { font: 13px/1.45 ui-monospace, monospace }
.method { font-weight: 700; width: 4rem; flex: none } .what { opacity: .75; margin-left: auto; text-align: right }
pre { background: var(--soft); padding: .7rem; border-radius: 6px; overflow: auto; max-height: 24rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .2rem .6rem .2rem 0; vertical-align: top; border-bottom: 1px solid var(--line) }
@media (max-width: 50rem) { body { display: block } nav { position: static; height: auto; border: 0 } main { padding: 1rem } .what { display: none } }
`

export const pageScript = `
const make = (tag, props = {}, ...children) => { const node = Object.assign(document.createElement(tag), props); node.append(...children); return node }
const typeOf = s => !s ? '' : s.enum ? s.enum.map(v => JSON.stringify(v)).join(' | ') : s.const !== undefined ? JSON.stringify(s.const) : s.anyOf ? s.anyOf.map(typeOf).join(' | ') : s.type === 'array' ? typeOf(s.items) + '[]' : [s.type ?? 'any'].flat().join(' | ')
const fields = (schema) => {
  const rows = Object.entries(schema.properties ?? {}).map(([name, s]) => make('tr', {}, make('td', {}, make('code', { textContent: name })), make('td', { textContent: typeOf(s) }), make('td', { textContent: [(schema.required ?? []).includes(name) ? 'required' : '', s.description ?? '', s.default !== undefined ? 'default ' + JSON.stringify(s.default) : ''].filter(Boolean).join(' · ') })))
  return rows.length ? make('table', {}, ...rows) : make('p', { textContent: typeOf(schema) || 'any' })
}
const example = (path, method, op) => {
  const body = op.requestBody?.content['application/json'].schema
  const sample = body ? Object.fromEntries((body.required ?? []).map(name => [name, '…'])) : undefined
  return "curl " + (method === 'get' ? '' : '-X ' + method.toUpperCase() + ' ') + location.origin + path + (op.security?.length === 0 ? '' : " \\\\\\n  -H 'Authorization: Bearer sk-…'") + (sample ? " \\\\\\n  -H 'Content-Type: application/json' \\\\\\n  -d '" + JSON.stringify(sample) + "'" : '')
}
const operation = (path, method, op) => {
  const details = make('details', { id: op.operationId })
  details.append(make('summary', {}, make('span', { className: 'method', textContent: method.toUpperCase() }), make('code', { textContent: path }), make('span', { className: 'what', textContent: op.summary })))
  details.dataset.text = (method + ' ' + path + ' ' + op.summary).toLowerCase()
  details.addEventListener('toggle', () => {
    if (!details.open || details.children.length > 1) return
    const parts = [make('p', { textContent: op.description ?? op.summary }), make('p', {}, 'Permission: ', make('code', { textContent: op['x-permission'] }), ' · ', make('code', { textContent: op['x-route-groups'].join(', ') })), make('pre', { textContent: example(path, method, op) })]
    if (op.parameters) parts.push(make('h4', { textContent: 'Parameters' }), fields({ properties: Object.fromEntries(op.parameters.map(p => [p.name, p.schema])), required: op.parameters.filter(p => p.required).map(p => p.name) }))
    if (op.requestBody) parts.push(make('h4', { textContent: 'Body' }), fields(op.requestBody.content['application/json'].schema))
    for (const [status, answer] of Object.entries(op.responses)) if (status < 300) parts.push(make('h4', { textContent: 'Answer ' + status }), fields(answer.content['application/json'].schema))
    parts.push(make('p', { textContent: 'Errors: ' + Object.keys(op.responses).filter(s => s >= 400).join(', ') }))
    details.append(make('div', {}, ...parts))
  })
  return details
}
const draw = doc => {
  const nav = document.querySelector('nav'), main = document.querySelector('main')
  const search = make('input', { type: 'search', placeholder: 'Search paths', ariaLabel: 'Search paths' })
  nav.append(make('h1', { textContent: doc.info.title }), make('p', { textContent: 'Version ' + doc.info.version }), search)
  for (const tag of doc.tags) {
    const operations = Object.entries(doc.paths).flatMap(([path, methods]) => Object.entries(methods).filter(([, op]) => op.tags[0] === tag.name).map(([method, op]) => operation(path, method, op)))
    const section = make('section', { id: tag.name }, make('h2', { textContent: tag.name + (tag.description ? ': ' + tag.description : '') }), ...operations)
    nav.append(make('a', { href: '#' + encodeURIComponent(tag.name), textContent: tag.name + ' (' + operations.length + ')' }))
    main.append(section)
  }
  search.addEventListener('input', () => { const wanted = search.value.toLowerCase(); for (const node of main.querySelectorAll('details')) node.hidden = !node.dataset.text.includes(wanted); for (const node of main.querySelectorAll('section')) node.hidden = !node.querySelector('details:not([hidden])') })
}
fetch('openapi.json').then(answer => answer.json()).then(draw, error => { document.querySelector('main').textContent = 'The document cannot be read: ' + error })
`

export const referencePage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>RouteIQ Gateway API</title><style>${pageStyle}</style></head>
<body><nav aria-label="Sections"></nav><main></main><script>${pageScript}</script></body></html>
`
