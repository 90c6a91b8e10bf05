/**
 * Words by which the rules tell prompts apart, written for this project and English for the most part: a heuristic, to
 * begin with before there is an artifact. Each list can be replaced in the configuration of a complexity router.
 */

// biome-ignore-all format: one word per line would make a page of each list

/** The prompt asks for thinking in steps. Two of them in one prompt speak for the strongest model. */
export const reasoningWords: readonly string[] = [
  'step by step', 'think through', 'think carefully', 'reason about', 'chain of thought', 'prove that', 'proof', 'derive',
  'justify your', 'weigh the', 'trade-off', 'tradeoff', 'pros and cons', 'root cause', 'analyze', 'analyse', 'evaluate whether',
  'compare and contrast', 'critically', 'under what conditions', 'what are the implications', 'counterexample', 'deduce', 'infer',
]

export const codeWords: readonly string[] = [
  'function', 'class', 'async', 'await', 'import', 'return', 'variable', 'compile', 'debug', 'stack trace', 'exception', 'regex',
  'sql', 'python', 'typescript', 'javascript', 'java', 'rust', 'golang', 'c++', 'bash', 'unit test', 'refactor', 'api', 'endpoint',
  'json', 'yaml', 'dockerfile', 'git', 'repository', 'null pointer', 'segfault', 'algorithm', 'script', 'code', 'bug', 'select * from',
  'def ', 'const ', 'public static', '#include', 'npm', 'pip install',
]

export const technicalWords: readonly string[] = [
  'architecture', 'distributed', 'concurrency', 'latency', 'throughput', 'scalab', 'database', 'index', 'transaction', 'encryption',
  'authentication', 'kubernetes', 'microservice', 'protocol', 'consistency', 'replication', 'theorem', 'integral', 'derivative',
  'matrix', 'eigenvalue', 'probability', 'statistic', 'regression', 'gradient', 'optimiz', 'optimis', 'complexity', 'polynomial',
  'differential', 'quantum', 'thermodynamic', 'molecul', 'enzyme', 'genome', 'jurisdiction', 'liability', 'clause', 'amortiz',
  'derivatives', 'hypothesis', 'asymptotic', 'invariant', 'machine learning', 'neural',
]

export const simpleWords: readonly string[] = [
  'what is', 'who is', 'when did', 'where is', 'define', 'hello', 'hi', 'hey', 'thanks', 'thank you', 'translate', 'spell', 'synonym',
  'capital of', 'how do you say', 'what time', 'convert', 'list three', 'tell me a joke', 'yes or no', 'summarize in one sentence',
  'rephrase', 'fix the grammar', 'rewrite this sentence', 'good morning', 'how are you',
]

/** Tasks of several steps. */
export const stepWords: readonly string[] = [
  'first', 'then', 'after that', 'next', 'finally', 'followed by', 'step 1', 'step 2', 'at the end', 'once that is done', 'in addition',
]

/** Work with tools, over many turns. */
export const agentWords: readonly string[] = [
  'use the tool', 'call the function', 'search the web', 'open the file', 'edit the file', 'run the tests', 'execute', 'browse',
  'plan the', 'create a pull request', 'iterate until', 'workspace', 'terminal', 'subtask',
]
