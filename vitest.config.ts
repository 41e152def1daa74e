import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Many tests start processes of their own; more workers than this fight over the cores of a small machine.
    maxWorkers: 2,
    // oclif writes through the real streams; an intercepted console would swallow what commands print.
    disableConsoleIntercept: true,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
  },
});
