/** Shares, rewards and qualities as tables keep them: integer millionths. */
export const toMicro = (value: number): number => Math.round(Math.min(1, Math.max(0, value)) * 1_000_000)
export const fromMicro = (micro: number): number => micro / 1_000_000
