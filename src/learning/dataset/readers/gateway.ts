import { type Example, tokensByLength } from '../example.ts'
import { readGatewayRecord } from '../gateway-record.ts'
import { linesOf } from '../lines.ts'
import { BadLine, type Problems } from '../problems.ts'

/** The gateway's own calls. Those whose text was not captured cannot be learned from by words: they count as bad lines. */
export async function* readGateway(path: string, problems: Problems): AsyncGenerator<Example> {
  for await (const line of linesOf(path)) {
    try {
      const record = readGatewayRecord(line.text)
      if (record.prompt === undefined)
        throw new BadLine(
          'prompt',
          'was not captured: switch capture on for a share of calls (docs/learned-routing.md)',
        )
      // A call that failed says how reliable a vendor is, not how good an answer is.
      const labels = record.status === 'success' ? record.labels : []
      const { text, system } = record.prompt
      yield {
        id: record.requestId,
        text,
        ...(system !== '' && { system }),
        ...(record.shape !== undefined && { shape: record.shape }),
        ...(record.session !== undefined && { group: record.session }),
        at: record.at,
        inputTokens: record.inputTokens ?? tokensByLength(system + text),
        outcomes: [
          {
            model: record.model,
            labels,
            cost: record.cost ?? Number.NaN,
            outputTokens: record.outputTokens ?? Number.NaN,
            latency: record.latency ?? Number.NaN,
            ...(record.propensity > 0 && { propensity: record.propensity }),
          },
        ],
      }
    } catch (error) {
      problems.note(path, line.number, error)
    }
  }
}
