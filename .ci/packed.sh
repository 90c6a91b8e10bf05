#!/usr/bin/env bash
# What npm would publish must start, say how to call it, and answer that call; with a config it keeps its books on disk,
# and finds its threads, its data and what it loads on demand.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
npm pack --silent --ignore-scripts --pack-destination "$work" >/dev/null
node=$PWD/node_modules/.bin/node
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund ./routeiq-*.tgz

start() {
  LITELLM_MASTER_KEY=sk-packed "$node" node_modules/routeiq/dist/cli/main.js --port 0 "$@" >out.txt 2>&1 &
  pid=$!
  for _ in $(seq 100); do grep -q 'listening on' out.txt && break; sleep 0.1; done
  url=$(sed -n 's/.*listening on \(http[^ ]*\).*/\1/p' out.txt | head -n 1)
}
stop() { kill "$pid"; wait "$pid"; pid=; }
# The answer to a request must have a text in it.
expect() {
  local text=$1 path=$2
  shift 2
  curl -sS --fail-with-body "$url$path" -H 'Authorization: Bearer sk-packed' -H 'Content-Type: application/json' "$@" >answer.txt
  grep -q -- "$text" answer.txt || { echo "no $text in $path:"; cat answer.txt out.txt; exit 1; }
}
hello='"model":"demo-fast","messages":[{"role":"user","content":"Hello"}]'

start
expect '"chat.completion"' /v1/chat/completions -d "{$hello}"
expect 'data: \[DONE\]' /v1/chat/completions -d "{$hello,\"stream\":true}"
stop

printf 'model_list: [{ model_name: demo-fast, litellm_params: { model: demo/fast } }]\n' >config.yaml
start --config config.yaml
expect '"chat.completion"' /v1/chat/completions -d "{$hello}"
expect '"key_alias":"packed"' /key/generate -d '{"key_alias":"packed"}'
expect '"openapi":"3.1.0"' /openapi.json
stop
"$node" node_modules/routeiq/dist/cli/main.js check config.yaml >/dev/null
"$node" -e 'const db = new (require("node:sqlite").DatabaseSync)(".routeiq/routeiq.db"); process.exit(db.prepare("select count(*) as n from ledger").get().n === 1 ? 0 : 1)'
echo 'packed package answers'
