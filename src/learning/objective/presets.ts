/** λ by name: quality given up for saving the mean cost of one call. */
export const presets = { quality: 0, balanced: 0.1, cheap: 0.5 } as const

export type Preset = keyof typeof presets

export const presetNames = Object.keys(presets) as readonly Preset[]

export const isPreset = (name: string): name is Preset => Object.hasOwn(presets, name)
