/** Taste that a machine can check. What needs a compiler or a formatter is in `npm run check`. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ERROR_WORDS, type Words } from '../src/error-words.js';
import { ERROR_CODES } from '../src/errors.js';
import { PROBLEM_WORDS } from '../src/problem-words.js';

const LINES_MAX = 400;

interface SourceFile {
  readonly path: string;
  readonly lines: readonly string[];
}

function filesOf(folder: string): SourceFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
    .map((path) => ({ path, lines: readFileSync(path, 'utf8').trimEnd().split('\n') }));
}

/** `path:line` of every line that matches; comments count only where they are what is looked for. */
function placesOf(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
  );
}

const withoutComments = (files: readonly SourceFile[]): SourceFile[] =>
  files.map(({ path, lines }) => ({ path, lines: lines.map((line) => line.replace(/^\s*(\*|\/\*|\/\/).*$/, '')) }));

const source = filesOf('src');
const tests = filesOf('test');
const scripts = filesOf('scripts');
const everything = [...source, ...tests, ...scripts];
/** Patterns below would find themselves. */
const others = everything.filter(({ path }) => path !== join('test', 'style.test.ts'));

test('no file is longer than anybody wants to read', () => {
  const long = everything.filter(({ lines }) => lines.length > LINES_MAX);
  expect(long.map(({ path, lines }) => `${path}: ${lines.length}`)).toEqual([]);
});

test('the engine is deterministic: no clock, no chance, no timer, no process, no output', () => {
  const engine = withoutComments(source.filter(({ path }) => path.startsWith(join('src', 'replication'))));
  expect(engine.length).toBeGreaterThan(0);
  const impure =
    /\b(Date\.now|new Date\b|Math\.random|setTimeout|setInterval|setImmediate|performance\.|process\.|console\.)/;
  expect(placesOf(engine, impure)).toEqual([]);
});

test('nothing is left to do in the code', () => {
  expect(placesOf(others, /\b(TODO|FIXME|XXX|HACK)\b/)).toEqual([]);
});

test('files and folders are named for what they hold', () => {
  const vague = /(^|[/-])(utils?|helpers?|managers?|misc|common|service2)([-./]|$)/;
  expect(everything.map(({ path }) => path).filter((path) => vague.test(path))).toEqual([]);
  const spelled = /^[a-z0-9-]+((\.long)?\.test)?\.ts$/;
  expect(everything.map(({ path }) => path.split(/[/\\]/).at(-1) ?? '').filter((name) => !spelled.test(name))).toEqual(
    [],
  );
});

test('every test file asserts something', () => {
  const silent = tests.filter(
    ({ path, lines }) => path.endsWith('.test.ts') && !lines.some((line) => /\b(expect|assert)\b.*\(/.test(line)),
  );
  expect(silent.map(({ path }) => path)).toEqual([]);
});

test('no test is focused, and none is left out without a reason beside it', () => {
  const tested = others.filter(({ path }) => path.startsWith('test'));
  expect(placesOf(tested, /\b(test|it|describe)\.(only|todo|fails)\b/)).toEqual([]);
  const skipped = /\b(test|it|describe)\.(skip|skipIf|runIf)\b/;
  const unexplained = tested.flatMap(({ path, lines }) =>
    lines.flatMap((line, i) => {
      const isExplained = /\/\/ \S/.test(line) || /^\s*(\/\/|\*)/.test(lines[i - 1] ?? '');
      return skipped.test(line) && !isExplained ? [`${path}:${i + 1}`] : [];
    }),
  );
  expect(unexplained).toEqual([]);
});

test('docs/errors.md says what the registry says', () => {
  const page = readFileSync('docs/errors.md', 'utf8');
  const words = Object.entries<Words>({ ...ERROR_WORDS, ...PROBLEM_WORDS });
  expect(words.map(([code]) => code).sort()).toEqual(Object.keys(ERROR_CODES).sort());
  const tableOf = (of: Readonly<Record<string, Words>>) =>
    Object.entries(of).map(
      ([code, { meaning, remedy }]) => `| \`${code}\` | ${exitOf(code)} | ${meaning} | ${remedy} |\n`,
    );
  const tables = [tableOf(ERROR_WORDS).join(''), tableOf(PROBLEM_WORDS).join('')];
  const written = page.replaceAll(/(?:^\| `[a-z-]+` \|.*\n)+/gm, () => tables.shift() ?? '');
  if (process.env.RECORD_GOLDEN) writeFileSync('docs/errors.md', written);
  else expect(page).toBe(written);
});

function exitOf(code: string): number | undefined {
  return (ERROR_CODES as Readonly<Record<string, number>>)[code];
}
