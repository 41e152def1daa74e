/** Each check finds its trap on a real file, and a file without traps has none. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CHECKS, type CheckCode } from '../../../src/operations/doctor/finding.js';
import { DoctorBench, SOUND } from '../../support/doctor-bench.js';
import { TRAPS } from '../../support/doctor-traps.js';

/** What is said of every file that nobody uses, on whatever machine. */
const ALWAYS: readonly CheckCode[] = ['versions', 'integrity-unchecked', 'applications-unknown', 'daemon-down'];

test('docs/doctor.md and the registry name the same checks with the same severities', () => {
  const rows = readFileSync('docs/doctor.md', 'utf8').matchAll(/^\| `([a-z-]+)` \| (\w+) \| [^|]+ \| [^|]+ \|$/gm);
  expect(Object.fromEntries([...rows].map(([, code, severity]) => [code, severity]))).toEqual(CHECKS);
});

test.each(Object.entries(TRAPS))('%s', async (code, lay) => {
  const { items } = await lay();
  const [finding] = items.filter((item) => item.code === code);
  expect(finding, JSON.stringify(items, null, 1)).toMatchObject({ severity: CHECKS[code as CheckCode] });
  expect(finding?.message).not.toMatch(/undefined|null|\[object/);
});

test('a file without traps is healthy, and the doctor leaves it as it was', async () => {
  const bench = DoctorBench.of(SOUND).on({ isClockSynchronised: async () => true, shellVersion: async () => '3.53.2' });
  const before = readFileSync(bench.path);
  const report = await bench.diagnose();
  const codes = report.items.map(({ code }) => code);
  expect(codes.filter((code) => !(ALWAYS as readonly string[]).includes(code))).toEqual([]);
  expect(report.healthy).toBe(true);
  expect(readFileSync(bench.path).equals(before)).toBe(true);
});
