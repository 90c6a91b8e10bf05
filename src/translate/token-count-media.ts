/**
 * Tokens of what is not text. Images follow OpenAI's published rule for GPT-4o: 85 tokens, plus 170 per tile of 512
 * pixels after fitting the image into 2048 × 2048 and its shorter side to 768. The rest are estimates, on the high side.
 */

const imageBase = 85
const imageTile = 170
/** 1024 × 1024: what an image whose size cannot be read is taken for. */
const unknownImage = imageBase + 4 * imageTile
const largeSide = 2048
const shortSide = 768
const tileSide = 512

/** Enough base64 to reach the size in a JPEG behind a thumbnail; read once per image, decoded in about 20 µs. */
const headLength = 65_536

/**
 * @param url `data:` URLs are measured by their header; others are never fetched.
 * @param detail `low`, `high` or `auto` (taken as high).
 */
export function imageTokens(url: string, detail: unknown): number {
  if (detail === 'low') return imageBase
  const comma = url.startsWith('data:') ? url.indexOf(',') : -1
  return comma === -1 ? unknownImage : imageDataTokens(url.slice(comma + 1, comma + 1 + headLength))
}

/** @param base64 an image, or its beginning. */
export function imageDataTokens(base64: string): number {
  const size = imageSize(Buffer.from(base64.slice(0, headLength), 'base64'))
  return size === undefined ? unknownImage : tiledTokens(size.width, size.height)
}

function tiledTokens(width: number, height: number): number {
  const fit = Math.min(1, largeSide / Math.max(width, height))
  const shrink = Math.min(1, shortSide / (Math.min(width, height) * fit)) * fit
  return imageBase + imageTile * Math.ceil((width * shrink) / tileSide) * Math.ceil((height * shrink) / tileSide)
}

interface Size {
  readonly width: number
  readonly height: number
}

/** PNG, GIF, JPEG and WebP headers. Undefined for anything else, and for sizes of zero. */
export function imageSize(head: Buffer): Size | undefined {
  const size = pngSize(head) ?? gifSize(head) ?? jpegSize(head) ?? webpSize(head)
  return size !== undefined && size.width > 0 && size.height > 0 ? size : undefined
}

function pngSize(head: Buffer): Size | undefined {
  if (head.length < 24 || head.readUInt32BE(0) !== 0x89504e47) return undefined
  return { width: head.readUInt32BE(16), height: head.readUInt32BE(20) }
}

function gifSize(head: Buffer): Size | undefined {
  if (head.length < 10 || head.toString('latin1', 0, 3) !== 'GIF') return undefined
  return { width: head.readUInt16LE(6), height: head.readUInt16LE(8) }
}

function jpegSize(head: Buffer): Size | undefined {
  if (head.length < 4 || head.readUInt16BE(0) !== 0xffd8) return undefined
  let at = 2
  while (at + 9 <= head.length && head[at] === 0xff) {
    const marker = head[at + 1] ?? 0
    // Start-of-frame markers, without the tables (C4, CC) and the JPEG extension (C8) in their midst.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return { height: head.readUInt16BE(at + 5), width: head.readUInt16BE(at + 7) }
    }
    at += marker === 0xff ? 1 : 2 + head.readUInt16BE(at + 2)
  }
  return undefined
}

function webpSize(head: Buffer): Size | undefined {
  if (head.length < 30 || head.toString('latin1', 0, 4) !== 'RIFF' || head.toString('latin1', 8, 12) !== 'WEBP') {
    return undefined
  }
  switch (head.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return { width: head.readUInt16LE(26) & 0x3fff, height: head.readUInt16LE(28) & 0x3fff }
    case 'VP8L': {
      const bits = head.readUInt32LE(21)
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
    }
    case 'VP8X':
      return { width: head.readUIntLE(24, 3) + 1, height: head.readUIntLE(27, 3) + 1 }
    default:
      return undefined
  }
}

/** Ten tokens a second; a second is 48,000 bytes of the 24 kHz PCM the APIs take, or 8,000 of a 64 kbit/s MP3. */
export function audioTokens(base64Length: number, format: unknown): number {
  const bytes = base64Length * 0.75
  const perSecond = format === 'wav' || format === 'pcm16' ? 48_000 : 8_000
  return Math.ceil((bytes / perSecond) * 10)
}

/** A page of a PDF is some 50 kB and, read as text and image, some 1,500 tokens. Files known by id only: one page. */
export function fileTokens(base64Length: number): number {
  return Math.max(1, Math.ceil((base64Length * 0.75) / 50_000)) * 1_500
}
