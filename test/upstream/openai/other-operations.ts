import { countWords, embeddingOf, makePlan } from '../plan.ts'
import { type Frame, isJson, type Json, type Reply, type WireCall } from '../types.ts'
import { numberOf } from './chat.ts'
import { checkCombinations, checkParameters, reject } from './rules.ts'

const created = 1_735_689_600

export function answerCompletion(call: WireCall, headers: Record<string, string>): Reply {
  const { body } = call
  checkParameters(body, 'completions')
  checkCombinations({ ...body, logprobs: undefined })
  if (body['prompt'] == null) reject("you must provide a 'prompt' parameter", 'prompt')
  const prompts = promptTexts(body['prompt'])
  const perPrompt = numberOf(body['n']) ?? 1
  const plans = prompts.flatMap(prompt =>
    Array.from({ length: perPrompt }, () =>
      makePlan(
        {
          lastUserText: prompt,
          toolResults: [],
          tools: [],
          toolChoice: { mode: 'none' },
          parallel: true,
          json: undefined,
          think: false,
          maxTokens: numberOf(body['max_tokens']),
          stops: [body['stop'] ?? []].flat().filter(entry => typeof entry === 'string'),
        },
        call.fault,
      ),
    ),
  )
  const promptTokens = prompts.reduce((sum, prompt) => sum + countWords(prompt), 0)
  const completionTokens = plans.reduce((sum, plan) => sum + plan.outputTokens, 0)
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  }
  const base = { id: call.memory.nextId('cmpl-'), object: 'text_completion', created, model: call.model }
  const finish = (index: number): string => (plans[index]?.finish === 'length' ? 'length' : 'stop')
  if (body['stream'] !== true) {
    const choices = plans.map((plan, index) => ({
      text: plan.text,
      index,
      logprobs: null,
      finish_reason: finish(index),
    }))
    return { kind: 'json', status: 200, headers, body: { ...base, choices, usage } }
  }
  const includeUsage = isJson(body['stream_options']) && body['stream_options']['include_usage'] === true
  const frames: Frame[] = []
  const push = (part: Frame['part'], choices: Json[], total?: Json): void => {
    const chunk = includeUsage ? { ...base, choices, usage: total ?? null } : { ...base, choices }
    frames.push({ part, text: `data: ${JSON.stringify(chunk)}\n\n` })
  }
  plans.forEach((plan, index) => {
    for (const text of plan.pieces) push('content', [{ text, index, logprobs: null, finish_reason: null }])
    push('closing', [{ text: '', index, logprobs: null, finish_reason: finish(index) }])
  })
  if (includeUsage) push('closing', [], usage)
  frames.push({ part: 'terminal', text: 'data: [DONE]\n\n' })
  return { kind: 'stream', headers, contentType: 'text/event-stream; charset=utf-8', frames }
}

function promptTexts(prompt: unknown): string[] {
  if (typeof prompt === 'string') return [prompt]
  if (!Array.isArray(prompt) || prompt.length === 0) reject("Invalid 'prompt'.", 'prompt', 'invalid_value')
  if (typeof prompt[0] === 'number') return [prompt.join(' ')]
  return prompt.map(entry => (typeof entry === 'string' ? entry : (JSON.stringify(entry) ?? '')))
}

export function answerEmbeddings(call: WireCall, headers: Record<string, string>): Reply {
  const { body } = call
  checkParameters(body, 'embeddings')
  if (body['input'] == null) reject("Missing required parameter: 'input'.", 'input', 'missing_required_parameter')
  const inputs = promptTexts(body['input'])
  if (inputs.some(input => input === '')) reject("Invalid 'input': input cannot be an empty string.", 'input')
  const format = body['encoding_format'] ?? 'float'
  if (format !== 'float' && format !== 'base64') {
    reject(
      `Invalid value: '${String(format)}'. Supported values are: 'float' and 'base64'.`,
      'encoding_format',
      'invalid_value',
    )
  }
  const dimensions = numberOf(body['dimensions']) ?? 8
  const data = inputs.map((input, index) => {
    const vector = embeddingOf(input, dimensions)
    const embedding = format === 'base64' ? Buffer.from(new Float32Array(vector).buffer).toString('base64') : vector
    return { object: 'embedding', index, embedding }
  })
  const tokens = inputs.reduce((sum, input) => sum + countWords(input), 0)
  const answer = { object: 'list', data, model: call.model, usage: { prompt_tokens: tokens, total_tokens: tokens } }
  return { kind: 'json', status: 200, headers, body: answer }
}

export function listModels(headers: Record<string, string>): Reply {
  const data = ['gpt-4o', 'gpt-4o-mini', 'gpt-5', 'o3', 'text-embedding-3-small'].map(id => ({
    id,
    object: 'model',
    created,
    owned_by: 'openai',
  }))
  return { kind: 'json', status: 200, headers, body: { object: 'list', data } }
}
