#!/usr/bin/env bash
# What npm would publish must start, say how to call it, and answer that call.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
npm pack --silent --ignore-scripts --pack-destination "$work" >/dev/null
node=$PWD/node_modules/.bin/node
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund ./routeiq-*.tgz
LITELLM_MASTER_KEY=sk-packed "$node" node_modules/routeiq/dist/cli/main.js --port 0 >out.txt 2>&1 &
pid=$!
for _ in $(seq 100); do grep -q 'listening on' out.txt && break; sleep 0.1; done
url=$(sed -n 's/.*listening on \(http[^ ]*\).*/\1/p' out.txt | head -n 1)
curl -sS --fail-with-body "$url/v1/chat/completions" -H 'Authorization: Bearer sk-packed' \
  -H 'Content-Type: application/json' \
  -d '{"model":"demo-fast","messages":[{"role":"user","content":"Hello"}]}' | grep -q '"chat.completion"'
echo 'packed package answers'
