import { expect, test } from 'vitest';
import { ProgressLine } from '../src/progress-line.js';
import { renderBytes, renderCount, renderSeconds } from '../src/render-figures.js';

const MIB = 1024 ** 2;

/** What a terminal is told, with a clock that the test moves. */
function drawn(
  isTTY: boolean,
  steps: readonly (readonly [atMs: number, bytes: number, total: number | null])[],
): string[] {
  const written: string[] = [];
  let now = 0;
  const line = new ProgressLine({ isTTY, columns: 80, write: (text) => written.push(text) }, () => now);
  for (const [atMs, bytes, total] of steps) {
    now = atMs;
    line.update({ label: 'receiving', unit: 'bytes', done: bytes, total });
  }
  line.clear();
  return written.map((text) => text.replace('\r\u001b[K', ''));
}

test('a terminal shows bytes at once, and rate and time left when they can be told', () => {
  expect(
    drawn(true, [
      [0, 0, null],
      [50, MIB, 100 * MIB],
      [1000, 10 * MIB, 100 * MIB],
      [2000, 120 * MIB, 100 * MIB],
    ]),
  ).toEqual([
    'receiving  0 B',
    'receiving  10.0 MiB of 100 MiB  10.0 MiB/s  9 s left',
    'receiving  120 MiB of 100 MiB  60.0 MiB/s',
    '',
  ]);
});

test('rows are counted as rows, and another label is measured anew', () => {
  const written: string[] = [];
  let now = 0;
  const line = new ProgressLine(
    { isTTY: true, write: (text) => written.push(text.replace('\r\u001b[K', '')) },
    () => now,
  );
  line.update({ label: 'receiving', unit: 'bytes', done: 5000, total: null });
  now = 10_000;
  line.update({ label: 'applying', unit: 'rows', done: 0, total: 2000 });
  now = 11_000;
  line.update({ label: 'applying', unit: 'rows', done: 500, total: 2000 });
  expect(written.at(-1)).toBe('applying  500 rows of 2,000 rows  500 rows/s  3 s left');
});

test('off a terminal nothing is shown', () => {
  expect(drawn(false, [[0, 1, 2]])).toEqual([]);
});

test('figures are rounded for people', () => {
  expect([0, 1023, 1024, 150 * 1024, 5 * 1024 ** 4].map(renderBytes)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '150 KiB',
    '5.0 TiB',
  ]);
  expect([0, 90, 119.6, 7199, 7200, 86_400 * 9].map(renderSeconds)).toEqual([
    '0 s',
    '90 s',
    '2 min',
    '119 min',
    '2 h',
    '9 d',
  ]);
  expect([renderCount(1, 'row'), renderCount(12_345, 'row')]).toEqual(['1 row', '12,345 rows']);
});
