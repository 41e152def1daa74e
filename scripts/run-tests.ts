/**
 * Runs the tests and ends with their counts, alone on the last line: `N passed, N failed[, N skipped]`. Before it one line
 * for each that failed, `failed: FILE > NAME: MESSAGE`, for who keeps only the end of a long log.
 * Arguments are vitest's own. A test file that cannot be loaded and an error outside of any test count as failed.
 */
import { relative } from 'node:path';
import { parseCLI, startVitest, type TestModule, type Vitest } from 'vitest/node';

interface Outcome {
  passed: number;
  skipped: number;
  /** What failed, and with which words. */
  readonly failed: string[];
}

function outcomeOf(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): Outcome {
  const outcome: Outcome = { passed: 0, skipped: 0, failed: [] };
  const fail = (where: string, error: { readonly message: string } | undefined) =>
    outcome.failed.push(`${where}: ${error?.message.split('\n')[0] ?? 'not run to its end'}`);
  for (const module of modules) {
    const file = relative(process.cwd(), module.moduleId);
    for (const error of module.errors()) fail(file, error);
    for (const test of module.children.allTests()) {
      const { state, errors } = test.result();
      if (state === 'passed') outcome.passed += 1;
      else if (state === 'skipped') outcome.skipped += 1;
      else fail(`${file} > ${test.fullName}`, errors?.[0]);
    }
    for (const suite of module.children.allSuites()) {
      for (const error of suite.errors()) fail(`${file} > ${suite.fullName}`, error);
    }
  }
  for (const error of unhandledErrors) fail('outside of any test', error as Error);
  return outcome;
}

const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)]);
const vitest: Vitest = await startVitest('test', filter, { ...options, run: true, watch: false });
await vitest.close();

const { passed, skipped, failed } = outcomeOf(vitest.state.getTestModules(), vitest.state.getUnhandledErrors());
process.stdout.write('\n');
for (const line of failed) process.stdout.write(`failed: ${line}\n`);
process.stdout.write(`${passed} passed, ${failed.length} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
if (failed.length > 0 || passed === 0) process.exitCode = 1;
