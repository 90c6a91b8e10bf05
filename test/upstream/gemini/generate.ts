import { type Conversation, makePlan, type OfferedTool, type Plan, wordsIn } from '../plan.ts'
import { type Frame, isJson, type Json, type Reply, type WireCall } from '../types.ts'
import { checkContents, checkFunctionNames, partsOf, signatureOf } from './contents.ts'
import { generateRequest, readMessage, reject } from './rules.ts'

export interface CheckedGenerate {
  readonly conversation: Conversation
  readonly promptTokens: number
  readonly candidates: number
}

export function checkGenerate(body: Json, model: string): CheckedGenerate {
  const request = readMessage(body, generateRequest, '')
  const turns = checkContents(request['contents'], model)
  checkFunctionNames(request['tools'])
  const config = isJson(request['generationConfig']) ? request['generationConfig'] : {}
  checkConfig(config, model)
  const tools = offeredTools(request['tools'])
  const choice = toolChoice(request['toolConfig'], tools)
  if (request['cachedContent'] !== undefined) {
    if (request['systemInstruction'] ?? request['tools'] ?? request['toolConfig']) {
      reject(
        'CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.',
      )
    }
  }
  const asJson = config['responseMimeType'] === 'application/json'
  if (asJson && tools.length > 0 && /gemini-[12]/.test(model)) {
    reject("Function calling with a response mime type: 'application/json' is unsupported")
  }
  const schema = config['responseSchema'] ?? config['responseJsonSchema']
  const thinking = isJson(config['thinkingConfig']) ? config['thinkingConfig'] : {}
  const conversation: Conversation = {
    lastUserText: lastUserText(turns),
    toolResults: toolResults(turns.at(-1)),
    tools,
    toolChoice: choice,
    parallel: true,
    json: isJson(schema) ? schema : asJson ? true : undefined,
    think: thinking['includeThoughts'] === true && thinking['thinkingBudget'] !== 0,
    maxTokens: typeof config['maxOutputTokens'] === 'number' ? config['maxOutputTokens'] : undefined,
    stops: Array.isArray(config['stopSequences']) ? config['stopSequences'].map(String) : [],
  }
  return {
    conversation,
    promptTokens: wordsIn(request['systemInstruction']) + wordsIn(turns.map(turn => turn['parts'])),
    candidates: typeof config['candidateCount'] === 'number' ? config['candidateCount'] : 1,
  }
}

function checkConfig(config: Json, model: string): void {
  const range = (name: string, low: number, high: number): void => {
    const value = config[name]
    if (typeof value === 'number' && (value < low || value > high)) {
      const field = name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
      reject(`* GenerateContentRequest.generation_config.${field}: must be in the range [${low}, ${high}].\n`)
    }
  }
  range('temperature', 0, 2)
  range('topP', 0, 1)
  range('candidateCount', 1, 8)
  range('maxOutputTokens', 1, 1_000_000)
  if (Array.isArray(config['stopSequences']) && config['stopSequences'].length > 5) {
    reject('* GenerateContentRequest.generation_config.stop_sequences: no more than 5 stop sequences are allowed.\n')
  }
  const mime = config['responseMimeType']
  if (mime !== undefined && !['text/plain', 'application/json', 'text/x.enum'].includes(String(mime))) {
    reject(
      `* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are \`text/plain\`, \`application/json\`, \`application/xml\`, \`application/yaml\` and \`text/x.enum\`.\n`,
    )
  }
  const schema = config['responseSchema'] ?? config['responseJsonSchema']
  if (schema !== undefined && mime !== 'application/json' && mime !== 'text/x.enum') {
    reject(
      '* GenerateContentRequest.generation_config.response_schema: only allowed when response_mime_type is `application/json`.\n',
    )
  }
  if (config['responseSchema'] !== undefined && config['responseJsonSchema'] !== undefined) {
    reject(
      '* GenerateContentRequest.generation_config: response_schema and response_json_schema are mutually exclusive.\n',
    )
  }
  if (config['logprobs'] !== undefined && config['responseLogprobs'] !== true) {
    reject('logprobs must be set only if response_logprobs is true.')
  }
  const thinking = config['thinkingConfig']
  if (!isJson(thinking)) return
  if (/gemini-(1|2\.0)/.test(model)) reject('Thinking is not supported by this model.')
  if (thinking['thinkingBudget'] !== undefined && thinking['thinkingLevel'] !== undefined) {
    reject('You can only set only one of thinking budget and thinking level.')
  }
  const level = thinking['thinkingLevel']
  if (level === undefined) return
  if (/gemini-2/.test(model)) reject('Thinking level is not supported for this model.')
  if (!['MINIMAL', 'LOW', 'MEDIUM', 'HIGH'].includes(String(level).toUpperCase())) {
    reject(`Invalid value at 'generation_config.thinking_config.thinking_level' (ThinkingLevel), "${String(level)}"`)
  }
}

function offeredTools(tools: unknown): OfferedTool[] {
  if (!Array.isArray(tools)) return []
  return tools
    .filter(isJson)
    .flatMap(tool => (Array.isArray(tool['functionDeclarations']) ? tool['functionDeclarations'].filter(isJson) : []))
    .map(entry => ({
      name: String(entry['name']),
      schema: entry['parameters'] ?? entry['parametersJsonSchema'] ?? { type: 'object' },
    }))
}

function toolChoice(config: unknown, tools: OfferedTool[]): Conversation['toolChoice'] {
  const calling = isJson(config) ? config['functionCallingConfig'] : undefined
  if (!isJson(calling)) return { mode: 'auto' }
  if (tools.length === 0) reject('Function calling config is set without function_declarations.')
  const mode = String(calling['mode'] ?? 'AUTO').toUpperCase()
  const names = Array.isArray(calling['allowedFunctionNames']) ? calling['allowedFunctionNames'].map(String) : undefined
  if (names !== undefined && mode !== 'ANY' && mode !== 'VALIDATED') {
    reject('Allowed function names should only be set when function calling mode is ANY.')
  }
  if (names?.some(name => !tools.some(tool => tool.name === name)) === true) {
    reject(`Allowed function names [${names.join(', ')}] are not in the provided function declarations.`)
  }
  if (!['AUTO', 'ANY', 'NONE', 'VALIDATED'].includes(mode)) {
    reject(`Invalid value at 'tool_config.function_calling_config.mode' (Mode), "${mode}"`)
  }
  const ours = mode === 'ANY' ? 'force' : mode === 'NONE' ? 'none' : 'auto'
  return names === undefined ? { mode: ours } : { mode: ours, names }
}

function textOf(turn: Json | undefined): string {
  return partsOf(turn)
    .filter(part => typeof part['text'] === 'string' && part['thought'] !== true)
    .map(part => String(part['text']))
    .join(' ')
    .trim()
}

function lastUserText(turns: Json[]): string {
  for (const turn of turns.toReversed()) {
    if (turn['role'] === 'model') continue
    const text = textOf(turn)
    if (text !== '') return text
  }
  return ''
}

function toolResults(last: Json | undefined): string[] {
  if (textOf(last) !== '') return []
  const responses = partsOf(last)
    .map(part => part['functionResponse'])
    .filter(isJson)
  return responses.map(entry => resultText(entry['response']))
}

/** A lone string member (`content`, `result`, `output`) is the tool's text; anything else is shown as JSON. */
function resultText(response: unknown): string {
  if (!isJson(response)) return String(response)
  const values = Object.values(response)
  const only = values.length === 1 ? values[0] : undefined
  return typeof only === 'string' ? only : JSON.stringify(response)
}

export function answerGenerate(call: WireCall, headers: Record<string, string>, streaming: boolean): Reply {
  const { conversation, promptTokens, candidates } = checkGenerate(call.body, call.model)
  const plan = makePlan(conversation, call.fault)
  const base = { modelVersion: call.model, responseId: call.memory.nextId('resp') }
  const usage = (output: number): Json => usageOf(call, plan, promptTokens, output * candidates)
  if (call.fault.filter === 'prompt') {
    const body = {
      promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
      usageMetadata: { promptTokenCount: promptTokens, totalTokenCount: promptTokens },
      ...base,
    }
    if (!streaming) return { kind: 'json', status: 200, headers, body }
    return streamOf(call, headers, [{ part: 'content', value: body }])
  }
  if (!streaming) {
    const parts = allParts(plan)
    const list = Array.from({ length: candidates }, (_, index) => candidate(parts, finishReason(plan), index))
    const body = { candidates: list, ...withUsage(call, usage(plan.outputTokens)), ...base }
    return { kind: 'json', status: 200, headers, body }
  }
  return streamOf(call, headers, streamChunks(call, plan, base, usage))
}

interface StreamChunk {
  readonly part: Frame['part']
  readonly value: Json
}

function streamChunks(call: WireCall, plan: Plan, base: Json, usage: (output: number) => Json): StreamChunk[] {
  const chunks: StreamChunk[] = []
  let output = 0
  const push = (parts: Json[], finish: string | undefined, words: number): void => {
    output += words
    chunks.push({
      part: 'content',
      value: { candidates: [candidate(parts, finish, 0)], ...withUsage(call, usage(output)), ...base },
    })
  }
  if (plan.reasoning !== '') push([{ text: plan.reasoning, thought: true }], undefined, 0)
  for (const piece of plan.finish === 'filter' ? [] : plan.pieces) push([{ text: piece }], undefined, wordsIn(piece))
  // Each call arrives whole and in a chunk of its own, so the reader has to number them across chunks.
  callParts(plan).forEach(part => {
    push([part], undefined, 1)
  })
  const finish = finishReason(plan)
  const closing = finish === 'SAFETY' ? [] : [{ text: '' }]
  chunks.push({
    part: 'closing',
    value: { candidates: [candidate(closing, finish, 0)], ...withUsage(call, usage(plan.outputTokens)), ...base },
  })
  return chunks
}

function streamOf(call: WireCall, headers: Record<string, string>, chunks: StreamChunk[]): Reply {
  if (call.query.get('alt') === 'sse') {
    const frames = chunks.map(chunk => ({ part: chunk.part, text: `data: ${JSON.stringify(chunk.value)}\r\n\r\n` }))
    return { kind: 'stream', headers, contentType: 'text/event-stream', frames }
  }
  const frames = chunks.map((chunk, index) => ({
    part: chunk.part,
    text: `${index === 0 ? '[' : ',\r\n'}${JSON.stringify(chunk.value, undefined, 2)}`,
  }))
  frames.push({ part: 'terminal', text: '\r\n]' })
  return { kind: 'stream', headers, contentType: 'application/json; charset=UTF-8', frames }
}

function allParts(plan: Plan): Json[] {
  const parts: Json[] = []
  if (plan.reasoning !== '') parts.push({ text: plan.reasoning, thought: true })
  if (plan.text !== '' && plan.finish !== 'filter') parts.push({ text: plan.text })
  return [...parts, ...callParts(plan)]
}

/** Only the first call of a batch carries the signature. */
function callParts(plan: Plan): Json[] {
  return plan.calls.map((call, index) => ({
    functionCall: { name: call.name, args: call.args },
    ...(index === 0 ? { thoughtSignature: signatureOf(call.name) } : {}),
  }))
}

function candidate(parts: Json[], finish: string | undefined, index: number): Json {
  const result: Json = {}
  if (parts.length > 0)
    result['content'] = { parts: index === 0 ? parts : [...parts, { text: ` (${index + 1})` }], role: 'model' }
  if (finish !== undefined) result['finishReason'] = finish
  result['index'] = index
  if (finish === 'SAFETY') {
    result['safetyRatings'] = [{ category: 'HARM_CATEGORY_DANGEROUS_CONTENT', probability: 'HIGH', blocked: true }]
  }
  return result
}

function finishReason(plan: Plan): string {
  if (plan.finish === 'length') return 'MAX_TOKENS'
  return plan.finish === 'filter' ? 'SAFETY' : 'STOP'
}

function withUsage(call: WireCall, usage: Json): Json {
  return call.fault.no_usage === true ? {} : { usageMetadata: usage }
}

function usageOf(call: WireCall, plan: Plan, prompt: number, output: number): Json {
  const cached = Math.min(call.fault.cached ?? 0, prompt)
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: output,
    totalTokenCount: prompt + output + plan.reasoningTokens,
    ...(cached > 0 ? { cachedContentTokenCount: cached } : {}),
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: prompt }],
    ...(plan.reasoningTokens > 0 ? { thoughtsTokenCount: plan.reasoningTokens } : {}),
  }
}
