import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MetricSet } from '../../../src/daemon/metrics/metric-set.js';

test('docs/metrics.md names every metric with its type and what it says, and none that is not there', async () => {
  const text = await new MetricSet().text();
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
  const metrics = [...text.matchAll(/^# HELP (\S+) (.+)$/gm)].map(([, name, help]) => [name, types.get(name), help]);
  const rows = readFileSync('docs/metrics.md', 'utf8').matchAll(/^\| `(\w+)` \| (\w+) \| [^|]*\| (.+) \|$/gm);
  expect([...rows].map(([, name, type, help]) => [name, type, help]).sort()).toEqual(metrics.sort());
});
