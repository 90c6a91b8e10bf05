/** Rules about who asks and what for, evaluated before anything that is predicted. The first that matches decides. */
export interface RequestRule {
  readonly name: string
  /** Any of these tags. */
  readonly tags?: readonly string[] | undefined
  /** Somewhere in the user's last turn. */
  readonly pattern?: RegExp | undefined
  /** A part of the `User-Agent`, in lower case. */
  readonly userAgents?: readonly string[] | undefined
  readonly models: readonly string[]
}

export interface RuleSubject {
  readonly tags: readonly string[]
  readonly userAgent: string
  /** Asked for only by rules with a pattern. */
  text(): string
}

/** Characters a pattern is tried on: an unlucky expression must not hold up the process. */
const patternLength = 4000

/** All that a rule names must hold: tags, pattern and user agent. */
export function matchRule(rules: readonly RequestRule[], subject: RuleSubject): RequestRule | undefined {
  let text: string | undefined
  for (const rule of rules) {
    const { tags, pattern, userAgents } = rule
    if (tags !== undefined && !tags.some(tag => subject.tags.includes(tag))) continue
    if (userAgents !== undefined) {
      const agent = subject.userAgent.toLowerCase()
      if (!userAgents.some(part => agent.includes(part))) continue
    }
    if (pattern !== undefined) {
      text ??= subject.text().slice(0, patternLength)
      if (!pattern.test(text)) continue
    }
    return rule
  }
  return undefined
}
