import { defineConfig } from 'vitest/config';

/** What takes minutes: many processes that wait for each other. `npm run test:long` runs these, `npm test` all others. */
const LONG = 'test/**/*.long.test.ts';

export default defineConfig({
  test: {
    include: process.env.LONG ? [LONG] : ['test/**/*.test.ts'],
    exclude: process.env.LONG ? [] : [LONG],
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
