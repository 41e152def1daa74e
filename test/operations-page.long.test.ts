import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { makeFolder } from './support/make-folder.js';
import { Stage, stepsOf } from './support/play-operations.js';

const page = readFileSync('docs/operations.md', 'utf8');

test('every command of docs/operations.md does what the page says', async () => {
  const steps = stepsOf(page);
  expect(steps.length).toBeGreaterThan(50);
  const stage = new Stage(makeFolder());
  onTestFinished(() => stage.close());
  for (const step of steps) await stage.play(step);
}, 600_000);

test('a command that does something else is noticed', async () => {
  const stage = new Stage(makeFolder());
  const step = (text: string) => stage.play(stepsOf(`\`\`\`console\n${text}\n\`\`\``)[0] as never);
  await step('paris$ echo one\n> echo two\none\nt…o');
  await expect(step('paris$ echo one\ntwo')).rejects.toThrow('It should print: two');
  await expect(step('paris$ false')).rejects.toThrow('It should exit 0');
  await step('paris$ false\nexit 1');
});
