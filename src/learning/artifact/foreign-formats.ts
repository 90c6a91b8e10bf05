import { refused } from './refusal.ts'

const retrain = 'train from the LLMRouter JSONL or CSV that model was trained on: `routeiq router train`'

const formats: readonly {
  readonly name: string
  readonly code: boolean
  readonly begins: (bytes: Uint8Array) => boolean
}[] = [
  // Protocols 2 to 5 begin with PROTO; joblib files are pickles too.
  {
    name: 'a Python pickle',
    code: true,
    begins: bytes => bytes[0] === 0x80 && (bytes[1] ?? 0) >= 2 && (bytes[1] ?? 9) <= 5,
  },
  { name: 'a zip archive (a PyTorch checkpoint, or .npz)', code: true, begins: text('PK\u0003\u0004') },
  { name: 'a NumPy array', code: false, begins: text('\u0093NUMPY') },
  { name: 'an HDF5 file', code: false, begins: text('\u0089HDF') },
  { name: 'a gzip file', code: false, begins: bytes => bytes[0] === 0x1f && bytes[1] === 0x8b },
  {
    name: 'a safetensors file',
    code: false,
    begins: bytes => bytes[8] === 0x7b && bytes[9] === 0x22 && (bytes[7] ?? 1) === 0,
  },
  {
    name: 'an ONNX model',
    code: false,
    begins: bytes => bytes[0] === 0x08 && (bytes[1] ?? 99) < 16 && bytes[2] === 0x12,
  },
  // Protocol 0 pickles are text: an opcode and a module name, or the marks of containers.
  {
    name: 'a Python pickle',
    code: true,
    begins: bytes => /^(c[\w.]+\n[\w.]+\n|\(dp\d|\(lp\d|\(i[\w.]+\n)/.test(latin(bytes, 200)),
  },
]

/** Says what the file is and what to do, where it is a model of another program. Nothing of it is interpreted. */
export function refuseForeign(bytes: Uint8Array): void {
  const format = formats.find(({ begins }) => begins(bytes))
  if (format === undefined) return
  const danger = format.code ? ', which can run code when it is loaded' : ''
  throw refused(`the file is ${format.name}${danger}, not an artifact of this gateway: ${retrain}`)
}

function text(start: string): (bytes: Uint8Array) => boolean {
  return bytes => latin(bytes, start.length) === start
}

const latin = (bytes: Uint8Array, length: number): string => Buffer.from(bytes.subarray(0, length)).toString('latin1')
