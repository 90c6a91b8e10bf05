import { type Example, tokensByLength } from '../example.ts'
import { amount, optionalText, parseObject, share, text } from '../fields.ts'
import { linesOf } from '../lines.ts'
import { BadLine, type Problems } from '../problems.ts'

/**
 * Routing data of LLMRouter: one line per query and model with `query`, `model_name`, `performance`, and where known
 * `task_name`, `input_tokens`, `output_tokens` (or `token_num`), `response_time` (seconds), `cost`. Lines of one query are joined later.
 */
export async function* readLlmRouter(path: string, problems: Problems): AsyncGenerator<Example> {
  for await (const line of linesOf(path)) {
    try {
      const row = parseObject(line.text)
      const query = text(row, 'query')
      const model = text(row, 'model_name')
      const performance = share(row['performance'], 'performance')
      const task = optionalText(row, 'task_name')
      if (Number.isNaN(performance)) throw new BadLine('performance', 'is missing: quality of the answer, 0 to 1')
      const input = amount(row['input_tokens'] ?? row['prompt_tokens'], 'input_tokens')
      const output = amount(row['output_tokens'] ?? row['completion_tokens'] ?? row['token_num'], 'output_tokens')
      yield {
        id: optionalText(row, 'task_id') ?? `line-${line.number}`,
        text: query,
        ...(task !== undefined && { task }),
        inputTokens: Number.isNaN(input) ? tokensByLength(query) : input,
        outcomes: [
          {
            model,
            labels: [{ source: 'reference', value: performance, weight: 1 }],
            cost: amount(row['cost'], 'cost'),
            outputTokens: output,
            latency: amount(row['response_time'], 'response_time') * 1000,
          },
        ],
      }
    } catch (error) {
      problems.note(path, line.number, error)
    }
  }
}
