import { expect, test } from 'vitest';
import { parseMoment } from '../src/list-flags.js';
import { typedCommand } from '../src/typed-command.js';

const typed = (...words: string[]) => typedCommand('peers:add', words).replace('peers add ', '');

test('a command reads as it was typed, and can be typed again', () => {
  expect(typedCommand('quarantine:discard', ['--all', '-y'])).toBe('quarantine discard --all -y');
  expect(typedCommand('operations', [])).toBe('operations');
  expect(typed('lyon=https://lyon.example:7420', '--name', "o'hara")).toBe(
    `lyon=https://lyon.example:7420 --name 'o'\\''hara'`,
  );
  expect(typed('/srv/a-rather-long-path/that-has-no-dots/at-all/in-it')).toContain('/srv/a-rather-long-path/');
  expect(typed('3f9a2c00112233445566778899aabbcc')).toBe('3f9a2c00112233445566778899aabbcc');
});

test('what could be a secret is cut out', () => {
  expect(typed('lyon=https://me:hunter2@lyon:7420/')).toBe('lyon=https://lyon:7420/');
  expect(typed('https://lyon:7420/?credential=hunter2#hunter2')).toBe('https://lyon:7420/');
  expect(typed('sqlsync-invite:aHVudGVyMg')).toBe(`'sqlsync-invite:***'`);
  expect(typed(`--token=${'aHVudGVyMg'.repeat(5)}`, 'aHVudGVyMg'.repeat(5))).toBe(`'--token=***' '***'`);
});

test('a very long one is cut short', () => {
  expect(typed(...Array.from({ length: 500 }, (_, i) => `id${i}`)).length).toBeLessThan(1_002);
});

test('a moment is a time with its zone, a day, or so long ago', () => {
  const now = Date.parse('2026-05-02T12:00:00Z');
  expect(parseMoment('2h', now)).toBe(now - 2 * 3_600_000);
  expect(parseMoment('2026-05-01T12:00:00+02:00', now)).toBe(Date.parse('2026-05-01T10:00:00Z'));
  expect(parseMoment('2026-05-01', now)).toBe(Date.parse('2026-05-01T00:00:00Z'));
  for (const text of ['yesterday', '12', '2026-05-01T12:00:00', '2026-13-01', ''])
    expect(parseMoment(text, now)).toBeNull();
});
