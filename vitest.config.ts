import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/**/*.test.ts'],
    // End-to-end tests start real processes; a shared two-core machine may be slow to give them time.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Most of a test's time is waiting for processes it started. In CI one file waits eight minutes for outages to pass.
    minWorkers: 2,
    maxWorkers: process.env['CI'] === undefined ? 3 : 4,
  },
})
