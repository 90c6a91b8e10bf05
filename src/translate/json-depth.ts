/** Levels of lists and objects in a JSON text, without recursion. Brackets inside strings do not count. */
export function nestingDepth(json: string): number {
  let depth = 0
  let deepest = 0
  let quoted = false
  for (let at = 0; at < json.length; at++) {
    const unit = json.charCodeAt(at)
    if (quoted) {
      if (unit === backslash) at++
      else if (unit === quote) quoted = false
    } else if (unit === quote) {
      quoted = true
    } else if (unit === openList || unit === openObject) {
      depth++
      if (depth > deepest) deepest = depth
    } else if (unit === closeList || unit === closeObject) {
      depth--
    }
  }
  return deepest
}

const quote = 0x22
const backslash = 0x5c
const openList = 0x5b
const closeList = 0x5d
const openObject = 0x7b
const closeObject = 0x7d
