import type { Plugin } from 'rolldown'

/**
 * Writes letters beyond ASCII as escapes: one of them anywhere in a file makes V8 keep all of its text with two bytes per
 * letter. Works where such letters may stand: strings, templates that are not raw, regular expressions, names.
 */
export function asciiOnly(): Plugin {
  return {
    name: 'ascii-only',
    // The last step: printing the code, which comes before, turns escapes back into letters.
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        // In source maps columns behind an escape are off; lines are right.
        if (chunk.type === 'chunk') chunk.code = chunk.code.replace(/[^\0-\x7f]/g, escaped)
      }
    },
  }
}

const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
