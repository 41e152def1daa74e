import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatByteSize, parseByteSize } from '../src/byte-size.js';
import { formatDuration, parseDurationMs } from '../src/duration.js';
import { formatListenAddress, isLoopback, parseListenAddress } from '../src/listen-address.js';
import { renderTable } from '../src/render-table.js';

describe('durations', () => {
  test.each([
    ['0s', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['15m', 900_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
  ])('%s is %i ms', (text, ms) => expect(parseDurationMs(text)).toBe(ms));

  test.each(['', '30', 's', '-1s', '1.5h', '1w', '30 s', '999999999999999d'])('"%s" is none', (text) =>
    expect(parseDurationMs(text)).toBeNull(),
  );

  test('what is formatted reads back', () => {
    fc.assert(fc.property(fc.nat(), (ms) => parseDurationMs(formatDuration(ms)) === ms));
    expect([formatDuration(90_000), formatDuration(604_800_000)]).toEqual(['90s', '7d']);
  });
});

describe('sizes', () => {
  test.each([
    ['512', 512],
    ['64KiB', 65_536],
    ['2GiB', 2_147_483_648],
    ['1.5 MiB', 1_572_864],
    ['3kB', 3000],
  ])('%s is %i bytes', (text, bytes) => expect(parseByteSize(text)).toBe(bytes));

  test.each(['', '-1', '2gib', '1.5', '9999999TiB', 'MiB'])('"%s" is none', (text) =>
    expect(parseByteSize(text)).toBeNull(),
  );

  test('what is formatted reads back', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (bytes) => parseByteSize(formatByteSize(bytes)) === bytes));
    expect([formatByteSize(0), formatByteSize(1000), formatByteSize(1024 ** 3)]).toEqual(['0', '1000', '1GiB']);
  });
});

describe('listen addresses', () => {
  test.each(['127.0.0.1:7420', '[::1]:0', 'localhost:65535'])('%s reads and formats', (text) => {
    const address = parseListenAddress(text);
    expect(address && formatListenAddress(address)).toBe(text);
  });

  test.each([':7420', '7420', '127.0.0.1', '::1:80', 'a:65536', 'http://a:1'])('"%s" is none', (text) =>
    expect(parseListenAddress(text)).toBeNull(),
  );

  test('only this machine reaches a loopback address', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'localhost'].every(isLoopback)).toBe(true);
    expect(['0.0.0.0', '::', '10.0.0.1', '127.example.com', 'example.com'].some(isLoopback)).toBe(false);
  });
});

test('a table is aligned and holds no rules', () => {
  const columns = [{ title: 'peer' }, { title: 'rows', align: 'right' }, { title: 'state' }] as const;
  const rows = [
    ['lyon', '7', 'online'],
    ['montpellier', '12000', '-'],
  ];
  expect(renderTable(columns, rows)).toBe(
    ['PEER          ROWS  STATE', 'lyon             7  online', 'montpellier  12000  -'].join('\n'),
  );
});
