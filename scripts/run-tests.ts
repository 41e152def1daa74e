/**
 * Runs the tests and ends with their counts, alone on the last line: `N passed, N failed[, N skipped]`.
 * Arguments are vitest's own. A test file that cannot be loaded and an error outside of any test count as failed.
 */
import { parseCLI, startVitest, type TestModule, type Vitest } from 'vitest/node';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

function countTests(modules: readonly TestModule[], unhandledErrors: number): Counts {
  const counts: Counts = { passed: 0, failed: unhandledErrors, skipped: 0 };
  for (const module of modules) {
    counts.failed += module.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') counts.passed += 1;
      else if (state === 'skipped') counts.skipped += 1;
      else counts.failed += 1;
    }
    for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
  }
  return counts;
}

const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)]);
const vitest: Vitest = await startVitest('test', filter, { ...options, run: true, watch: false });
await vitest.close();

const counts = countTests(vitest.state.getTestModules(), vitest.state.getUnhandledErrors().length);
const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed${skipped}\n`);
if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1;
