import type { Plugin } from 'rolldown'

/**
 * Writes letters beyond ASCII as escapes: one of them anywhere in a file makes V8 keep all of its text with two bytes per
 * letter. Works where such letters may stand: strings, templates that are not raw, regular expressions, names.
 */
export function asciiOnly(): Plugin {
  return {
    name: 'ascii-only',
    renderChunk(code) {
      // Columns behind an escape are off in the source map; lines are right.
      return { code: code.replace(/[^\0-\x7f]/g, escaped), map: null }
    },
  }
}

const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
