/** A table with room for a usual message. */
export const room = `{${'false, '.repeat(24)}}`
