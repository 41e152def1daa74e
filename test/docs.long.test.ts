/** Pages whose examples are played: what they show is what comes out. */
import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { playPage, withoutVarying } from './support/play-page.js';

// Every command is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 300_000 });

test('docs/conflicts.md', async () => {
  const scenes = await playPage(readFileSync('docs/conflicts.md', 'utf8'));
  expect(scenes.length).toBeGreaterThan(5);
  for (const { command, expected, actual } of scenes) {
    expect(`$ ${command}\n${withoutVarying(actual)}`).toBe(`$ ${command}\n${withoutVarying(expected)}`);
  }
});
