/** What a UTF-16 code unit is to the tokeniser. Ranges, not Unicode tables: this runs for every character of a call. */
export const space = 0
export const letter = 1
export const mark = 2
/** A character that stands for a word or syllable in a script written without spaces, or half of a surrogate pair. */
export const glyph = 3

const ascii = new Uint8Array(128)
for (let code = 33; code < 127; code++) ascii[code] = isAlphanumeric(code) ? letter : mark

function isAlphanumeric(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
}

export function kindOf(code: number): number {
  if (code < 128) return ascii[code] ?? space
  if (code < 0xc0) return code === 0xa0 ? space : code === 0xaa || code === 0xb5 || code === 0xba ? letter : mark
  if (code < 0x0e00) return code === 0xd7 || code === 0xf7 ? mark : letter
  // Thai and Lao.
  if (code < 0x0f00) return glyph
  if (code < 0x2000) return code === 0x1680 ? space : letter
  if (code < 0x2c00) return code <= 0x200b || code === 0x2028 || code === 0x2029 || code === 0x202f ? space : mark
  if (code < 0x3000) return letter
  if (code < 0x3040) return code === 0x3000 ? space : mark
  if (code < 0xa000) return glyph
  if (code < 0xd800) return letter
  if (code < 0xe000) return glyph
  if (code < 0xfb00) return glyph
  if (code === 0xfeff) return space
  if (code >= 0xff01 && code <= 0xff0f) return mark
  return code < 0xff00 ? letter : glyph
}

/** Lower case of the alphabets where it is a fixed distance: Latin, Greek, Cyrillic. */
export function lowerCase(code: number): number {
  if (code < 128) return code >= 65 && code <= 90 ? code + 32 : code
  if (code >= 0xc0 && code <= 0xde) return code === 0xd7 ? code : code + 32
  if (code >= 0x391 && code <= 0x3a9) return code + 32
  if (code >= 0x410 && code <= 0x42f) return code + 32
  if (code >= 0x400 && code <= 0x40f) return code + 80
  return code
}
