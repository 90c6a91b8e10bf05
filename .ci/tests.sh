#!/usr/bin/env bash
# Runs all tests, or those of the files named. Up to three files that failed run once more, alone: a machine that others share can starve a test of
# time. What was red at first is named in the last lines either way, for it may be a race of ours.
set -euo pipefail
cd "$(dirname "$0")/.."

report=$(mktemp) output=$(mktemp)
trap 'rm -f "$report" "$output"' EXIT
status=0
npm test -- "$@" --reporter=default --reporter=json --outputFile.json="$report" 2>&1 | tee "$output" || status=$?

node -e 'const r = JSON.parse(require("node:fs").readFileSync(process.argv[1])); console.log(`${r.numPassedTests} passed, ${r.numFailedTests} failed, ${r.numPendingTests} skipped`)' "$report"
[ "$status" = 0 ] && exit 0

mapfile -t red < <(node -e '
  const { testResults } = JSON.parse(require("node:fs").readFileSync(process.argv[1]))
  for (const { name, status } of testResults) if (status === "failed") console.log(require("node:path").relative(".", name))' "$report")
# An unhandled rejection belongs to no file that could run again.
if [ "${#red[@]}" = 0 ] || [ "${#red[@]}" -gt 3 ] || grep -q 'Unhandled Error' "$output"; then exit "$status"; fi
printf '\nonce more, alone: %s\n' "${red[*]}"
npm test -- "${red[@]}" || { printf '\nred twice, see above: %s\n' "${red[*]}"; exit 1; }
printf '\nred at first and green alone: %s\n' "${red[*]}"
