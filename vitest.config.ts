import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/**/*.test.ts'],
    // End-to-end tests start real processes; a shared two-core machine may be slow to give them time.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Most of a test's time is waiting for processes it started: two at a time also where a machine has two cores.
    minWorkers: 2,
    maxWorkers: 3,
  },
})
