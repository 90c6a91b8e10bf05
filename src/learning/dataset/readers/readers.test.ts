import { describe, expect, it } from 'vitest'
import { all, testFolder, write } from '../dataset.fixtures.ts'
import type { Example } from '../example.ts'
import { detectFormat, type Format, readExamples } from '../format.ts'
import { writeGatewayRecord } from '../gateway-record.ts'
import { Problems } from '../problems.ts'

async function read(path: string, expected: Format, problems = new Problems()): Promise<Example[]> {
  expect(await detectFormat(path)).toBe(expected)
  return all(readExamples(path, expected, problems))
}

describe('routing data', () => {
  const meta = JSON.stringify({ models: ['a', 'b'], usd_per_mtok_in_out: { a: [1, 2] } })

  it('has a number per model, null where none is known', async () => {
    const folder = testFolder()
    write(folder, 'd.meta.json', meta)
    const path = write(folder, 'd.jsonl.gz', [
      {
        id: 'r1',
        task: 't',
        text: 'hi',
        q: [1, null],
        c: [0.1, 0.2],
        in: 7,
        oc: [40, 80],
        ms: [5, null],
        by: ['judge', null],
      },
    ])
    expect(await read(path, 'routing-data')).toEqual([
      {
        id: 'r1',
        task: 't',
        text: 'hi',
        inputTokens: 7,
        outcomes: [
          { model: 'a', labels: [{ source: 'judge', value: 1, weight: 1 }], cost: 0.1, outputTokens: 10, latency: 5 },
          { model: 'b', labels: [], cost: 0.2, outputTokens: 20, latency: Number.NaN },
        ],
      },
    ])
  })

  it('reports bad lines by file, line and field, and goes on', async () => {
    const folder = testFolder()
    write(folder, 'd.meta.json', meta)
    const path = write(
      folder,
      'd.jsonl',
      [
        '{"text":"ok","q":[1,0]}',
        'no json',
        '{"text":"x","q":[1]}',
        '{"text":"x","q":[1,2]}',
        '{"q":[1,0]}',
        '{"text":"x","q":[1,0],"c":[1,"2"]}',
        '{"text":"x","q":[1,0],"split":"dev"}',
        '{"text":"last","q":[0,1]}',
      ].join('\n'),
    )
    const problems = new Problems()
    expect((await all(readExamples(path, 'routing-data', problems))).map(({ text }) => text)).toEqual(['ok', 'last'])
    expect(problems.bad).toBe(6)
    expect(problems.first.map(({ line, field }) => [line, field])).toEqual([
      [2, undefined],
      [3, 'q'],
      [4, 'q[1]'],
      [5, 'text'],
      [6, 'c[1]'],
      [7, 'split'],
    ])
    expect(problems.first[1]?.message).toContain('1 numbers for 2 models')
  })

  it('is refused when most of it is bad', async () => {
    const folder = testFolder()
    write(folder, 'd.meta.json', meta)
    const good = Array.from({ length: 300 }, () => ({ text: 'x', q: [1, 0] }))
    const bad = Array.from({ length: 17 }, () => ({ text: 'x' }))
    const few = write(folder, 'd.jsonl', [...good, ...bad.slice(0, 15)])
    expect(await all(readExamples(few, 'routing-data', new Problems()))).toHaveLength(300)
    const many = write(folder, 'd.jsonl', [...good, ...bad])
    await expect(all(readExamples(many, 'routing-data', new Problems()))).rejects.toThrow(/d\.jsonl:316 q: is missing/)
    expect(await all(readExamples(many, 'routing-data', new Problems(0.2)))).toHaveLength(300)
  })
})

describe('tables of other projects', () => {
  it('LLMRouter: a line per query and model', async () => {
    const path = write(testFolder(), 'r.jsonl', [
      {
        task_name: 'gsm8k',
        query: 'one?',
        model_name: 'a',
        performance: 1,
        input_tokens: 12,
        output_tokens: 30,
        response_time: 1.5,
      },
      { query: 'one?', model_name: 'b', performance: 0.25, cost: 0.002 },
      { query: 'one?', model_name: 'b' },
    ])
    const problems = new Problems()
    const [first, second] = await read(path, 'llmrouter', problems)
    expect(first).toMatchObject({ text: 'one?', task: 'gsm8k', inputTokens: 12 })
    expect(first?.outcomes[0]).toMatchObject({ model: 'a', outputTokens: 30, latency: 1500 })
    expect(second?.outcomes[0]).toMatchObject({ labels: [{ value: 0.25 }], cost: 0.002 })
    expect(problems.first).toEqual([
      { file: path, line: 3, field: 'performance', message: expect.stringContaining('missing') },
    ])
  })

  it('RouterBench: a wide table with costs and responses', async () => {
    const path = write(
      testFolder(),
      'rb.csv',
      `sample_id,prompt,eval_name,m/x,m/y,m/x|model_response,m/y|model_response,m/x|total_cost,m/y|total_cost,oracle_model_to_route_to
s.1,"['Say ""hi""\\nnow']",winogrande,1.0,0.0,12345678,,0.0001,0.002,m/x
s.2,two,winogrande,0.5,nan,a,b,0.1,0.2,m/x
s.3,three,winogrande,5,0,a,b,0.1,0.2,m/x
`,
    )
    const problems = new Problems()
    const [first, second] = await read(path, 'routerbench', problems)
    expect(first).toMatchObject({ id: 's.1', text: 'Say "hi"\nnow', task: 'winogrande' })
    expect(first?.outcomes).toMatchObject([
      { model: 'm/x', labels: [{ value: 1 }], cost: 0.0001, outputTokens: 2 },
      { model: 'm/y', labels: [{ value: 0 }], cost: 0.002, outputTokens: Number.NaN },
    ])
    expect(second?.outcomes[1]?.labels).toEqual([])
    expect(problems.first[0]).toMatchObject({ line: 4, field: 'm/x' })
  })

  it('RouteLLM: True and False for two models', async () => {
    const path = write(testFolder(), 'mmlu.csv', 'prompt,mixtral,gpt-4\n"What?\nA. 1",True,False\nAnd?,False,True\n')
    const [first, second] = await read(path, 'routellm')
    expect(first?.text).toBe('What?\nA. 1')
    expect([first, second].map(example => example?.outcomes.map(({ labels }) => labels[0]?.value))).toEqual([
      [1, 0],
      [0, 1],
    ])
  })

  it('says what it does not know', async () => {
    const folder = testFolder()
    await expect(detectFormat(write(folder, 'x.jsonl', [{ hello: 1 }]))).rejects.toThrow(/--format/)
    await expect(all(readExamples(write(folder, 'y.csv', 'a,b\n1,2\n'), 'routellm', new Problems()))).rejects.toThrow(
      /no column "prompt"/,
    )
  })
})

describe('the gateway’s own export', () => {
  const record = {
    format: 'routeiq.routing_record.v1',
    requestId: 'req-1',
    at: 1_700_000_000_000,
    route: 'auto',
    session: 's',
    prompt: { text: 'hello', system: 'be brief' },
    shape: undefined,
    features: undefined,
    strategy: 'routeiq-auto',
    model: 'small',
    candidates: [{ model: 'small', quality: 0.7, cost: 0.001 }],
    explored: true,
    propensity: 0.05,
    lambda: 0.1,
    artifact: undefined,
    policy: 'p',
    status: 'success',
    inputTokens: 3,
    outputTokens: 9,
    cost: 0.001,
    latency: 120,
    labels: [{ source: 'feedback', value: 1, weight: 0.9 }],
  } as const

  it('is read as it was written; failed calls say nothing of quality; calls without text are told of', async () => {
    const lines = [
      writeGatewayRecord(record),
      writeGatewayRecord({ ...record, requestId: 'req-2', status: 'failure' }),
      writeGatewayRecord({ ...record, requestId: 'req-3', prompt: undefined }),
    ]
    const problems = new Problems()
    const examples = await read(write(testFolder(), 'g.jsonl', lines.join('')), 'gateway', problems)
    expect(examples).toEqual([
      {
        id: 'req-1',
        text: 'hello',
        system: 'be brief',
        group: 's',
        at: record.at,
        inputTokens: 3,
        outcomes: [
          { model: 'small', labels: record.labels, cost: 0.001, outputTokens: 9, latency: 120, propensity: 0.05 },
        ],
      },
      expect.objectContaining({ id: 'req-2', outcomes: [expect.objectContaining({ labels: [] })] }),
    ])
    expect(problems.first).toMatchObject([{ line: 3, field: 'prompt' }])
  })
})

describe('traces', () => {
  const messages = JSON.stringify([
    { role: 'system', parts: [{ type: 'text', content: 'be brief' }] },
    { role: 'user', parts: [{ type: 'text', content: 'what is 2+2?' }] },
  ])
  const attribute = (key: string, value: string | number) => ({
    key,
    value: typeof value === 'string' ? { stringValue: value } : { intValue: String(value) },
  })
  const span = (extra: object[], rest: object = {}) => ({
    name: 'chat small',
    startTimeUnixNano: '1700000000000000000',
    endTimeUnixNano: '1700000000250000000',
    attributes: [
      attribute('gen_ai.operation.name', 'chat'),
      attribute('gen_ai.request.model', 'small'),
      attribute('gen_ai.usage.input_tokens', 11),
      attribute('gen_ai.usage.output_tokens', 5),
      ...extra,
    ],
    ...rest,
  })
  const otlp = (...spans: object[]) => ({ resourceSpans: [{ scopeSpans: [{ spans }] }] })
  const want = {
    text: 'what is 2+2?',
    system: 'be brief',
    group: 'c1',
    at: 1_700_000_000_000,
    inputTokens: 11,
    outcomes: [{ model: 'small', outputTokens: 5, latency: 250 }],
  }

  it('OTLP: calls of models, with evaluations; others are passed over, calls without text are told of', async () => {
    const evaluated = {
      events: [
        {
          name: 'gen_ai.evaluation.result',
          attributes: [{ key: 'gen_ai.evaluation.score.value', value: { doubleValue: 0.75 } }],
        },
      ],
    }
    const content = [attribute('gen_ai.input.messages', messages), attribute('gen_ai.conversation.id', 'c1')]
    const path = write(testFolder(), 'otlp.jsonl', [
      otlp(span(content, evaluated), { name: 'GET /', attributes: [] }),
      otlp(span([]), span(content, { status: { code: 2 } })),
    ])
    const problems = new Problems()
    const examples = await read(path, 'traces', problems)
    expect(examples).toMatchObject([want])
    expect(examples[0]?.outcomes[0]?.labels).toEqual([{ source: 'judge', value: 0.75, weight: 0.7 }])
    expect(problems.first).toMatchObject([{ line: 2, field: 'gen_ai.input.messages' }])
  })

  it('OTLP over many lines, with the older names', async () => {
    const older = {
      name: 'chat',
      attributes: [
        attribute('llm.request.type', 'chat'),
        attribute('gen_ai.request.model', 'small'),
        attribute('gen_ai.prompt.0.role', 'system'),
        attribute('gen_ai.prompt.0.content', 'be brief'),
        attribute('gen_ai.prompt.1.role', 'user'),
        attribute('gen_ai.prompt.1.content', 'what is 2+2?'),
        attribute('gen_ai.usage.prompt_tokens', 11),
        attribute('gen_ai.usage.completion_tokens', 5),
        attribute('gen_ai.completion.0.content', 'four'),
      ],
    }
    const path = write(testFolder(), 'otlp.json', JSON.stringify(otlp(older), null, 2))
    const [example] = await read(path, 'traces')
    expect(example).toMatchObject({ text: 'what is 2+2?', system: 'be brief', inputTokens: 11 })
    expect(example?.outcomes[0]).toMatchObject({ outputTokens: 5, response: 'four' })
  })

  it('Jaeger', async () => {
    const tag = (key: string, value: unknown) => ({ key, value })
    const path = write(testFolder(), 'jaeger.json', [
      {
        data: [
          {
            traceID: 't',
            spans: [
              {
                operationName: 'chat small',
                startTime: 1_700_000_000_000_000,
                duration: 250_000,
                tags: [
                  tag('gen_ai.operation.name', 'chat'),
                  tag('gen_ai.request.model', 'small'),
                  tag('gen_ai.input.messages', messages),
                  tag('gen_ai.conversation.id', 'c1'),
                  tag('gen_ai.usage.input_tokens', 11),
                  tag('gen_ai.usage.output_tokens', '5'),
                ],
                logs: [],
              },
              {
                operationName: 'x',
                startTime: 1,
                duration: 1,
                tags: [tag('gen_ai.operation.name', 'chat'), tag('error', true)],
              },
            ],
          },
        ],
      },
    ])
    expect(await read(path, 'traces')).toMatchObject([want])
  })
})
