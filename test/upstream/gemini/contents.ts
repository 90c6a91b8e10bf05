import { isJson, type Json } from '../types.ts'
import { reject } from './rules.ts'

const dataFields = [
  'text',
  'inlineData',
  'fileData',
  'functionCall',
  'functionResponse',
  'executableCode',
  'codeExecutionResult',
  'toolCall',
  'toolResponse',
]
const functionName = /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/
/** Documented stand-ins for a signature that history from elsewhere cannot have. */
const signatureStandIns = ['skip_thought_signature_validator', 'context_engineering_is_the_way_to_go']

export function signatureOf(name: string): string {
  return Buffer.from(`gemini-signature:${name}`).toString('base64')
}

export function partsOf(content: unknown): Json[] {
  return isJson(content) && Array.isArray(content['parts']) ? content['parts'].filter(isJson) : []
}

/** Roles, parts, and the pairing of functionCall turns with functionResponse turns. */
export function checkContents(contents: unknown, model: string): Json[] {
  if (!Array.isArray(contents) || contents.length === 0) {
    reject('* GenerateContentRequest.contents: contents is not specified\n')
  }
  const turns = contents.filter(isJson)
  turns.forEach((turn, index) => {
    const path = `GenerateContentRequest.contents[${index}]`
    const role = turn['role']
    if (role !== undefined && role !== 'user' && role !== 'model' && role !== 'function') {
      reject('Please use a valid role: user, model.')
    }
    const parts = partsOf(turn)
    if (parts.length === 0) reject(`* ${path}.parts: contents.parts must not be empty.\n`)
    parts.forEach((part, at) => {
      checkPart(part, `${path}.parts[${at}]`)
    })
  })
  checkTurns(turns)
  if (/gemini-3/.test(model)) checkSignatures(turns)
  return turns
}

export function checkPart(part: Json, path: string): void {
  const given = dataFields.filter(name => part[name] !== undefined)
  if (given.length === 0) {
    // The end of a stream may carry a signature alone on an empty text; without text it is no part.
    reject(`* ${path}.data: required oneof field 'data' must have one initialized field\n`)
  }
  if (given.length > 1) {
    reject(`Invalid value at '${path}' (oneof), oneof field 'data' is already set. Cannot set '${String(given[1])}'`)
  }
  const blob = part['inlineData']
  if (isJson(blob)) {
    if (typeof blob['mimeType'] !== 'string' || blob['mimeType'] === '') {
      reject(`* ${path}.inline_data.mime_type: must be specified\n`)
    }
    if (typeof blob['data'] !== 'string' || !/^[A-Za-z0-9+/_-]+=*$/.test(blob['data'])) {
      reject(`Invalid value at '${path}.inline_data.data' (TYPE_BYTES), Base64 decoding failed`)
    }
  }
  const call = part['functionCall']
  if (isJson(call)) {
    if (!functionName.test(String(call['name']))) reject(`* ${path}.function_call.name: Name cannot be empty.\n`)
    if (call['args'] !== undefined && !isJson(call['args'])) {
      reject(`Invalid value at '${path}.function_call.args' (type.googleapis.com/google.protobuf.Struct)`)
    }
  }
  const response = part['functionResponse']
  if (isJson(response)) {
    if (!functionName.test(String(response['name'])))
      reject(`* ${path}.function_response.name: Name cannot be empty.\n`)
    if (!isJson(response['response'])) {
      reject(`Invalid value at '${path}.function_response.response' (type.googleapis.com/google.protobuf.Struct)`)
    }
  }
}

function namesOf(turn: Json | undefined, kind: 'functionCall' | 'functionResponse'): string[] {
  return partsOf(turn)
    .map(part => part[kind])
    .filter(isJson)
    .map(entry => String(entry['name']))
}

function checkTurns(turns: Json[]): void {
  turns.forEach((turn, index) => {
    const previous = turns[index - 1]
    const calls = namesOf(turn, 'functionCall')
    const responses = namesOf(turn, 'functionResponse')
    if (calls.length > 0 && (previous === undefined || previous['role'] === 'model')) {
      reject(
        'Please ensure that function call turn comes immediately after a user turn or after a function response turn.',
      )
    }
    const asked = namesOf(previous, 'functionCall')
    if (responses.length > 0 && asked.length === 0) {
      reject('Please ensure that function response turn comes immediately after a function call turn.')
    }
    if (asked.length > 0 && responses.length !== asked.length) {
      reject(
        'Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.',
      )
    }
    responses.forEach((name, at) => {
      if (!asked.includes(name)) {
        reject(
          `Function response name '${name}' at position ${at + 1} does not match any function call of the function call turn.`,
        )
      }
    })
  })
  if (namesOf(turns.at(-1), 'functionCall').length > 0) {
    reject('Please ensure that single turn requests end with a user role or the role field is empty.')
  }
}

/** Gemini 3: the first call of each step in the current turn must carry the signature it came with. */
function checkSignatures(turns: Json[]): void {
  const start = turns.findLastIndex(
    turn => turn['role'] === 'user' && partsOf(turn).some(part => part['text'] !== undefined),
  )
  turns.forEach((turn, index) => {
    const parts = partsOf(turn)
    parts.forEach((part, at) => {
      const signature = part['thoughtSignature']
      const call = part['functionCall']
      if (isJson(call) && typeof signature === 'string' && !validSignature(signature)) {
        reject('Corrupted thought signature.')
      }
      const firstCall = parts.findIndex(entry => isJson(entry['functionCall'])) === at
      if (index > start && firstCall && isJson(call) && typeof signature !== 'string') {
        reject(
          `Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call \`default_api:${String(call['name'])}\` , position ${index + 1}.`,
        )
      }
    })
  })
}

function validSignature(signature: string): boolean {
  if (signatureStandIns.includes(signature)) return true
  const text = Buffer.from(signature, 'base64').toString('latin1')
  return text.startsWith('gemini-signature:') || signatureStandIns.includes(text)
}

export function checkFunctionNames(tools: unknown): void {
  if (!Array.isArray(tools)) return
  tools.filter(isJson).forEach((tool, toolIndex) => {
    const declarations = tool['functionDeclarations']
    if (!Array.isArray(declarations)) return
    declarations.filter(isJson).forEach((declaration, index) => {
      const path = `GenerateContentRequest.tools[${toolIndex}].function_declarations[${index}]`
      if (!functionName.test(String(declaration['name']))) {
        reject(
          `* ${path}.name: Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64.\n`,
        )
      }
      if (declaration['parameters'] !== undefined && declaration['parametersJsonSchema'] !== undefined) {
        reject(`* ${path}: parameters and parameters_json_schema are mutually exclusive.\n`)
      }
    })
  })
}
