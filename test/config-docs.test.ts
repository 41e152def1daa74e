import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { formatByteSize } from '../src/byte-size.js';
import { parseConfig } from '../src/config.js';
import { OVERRIDES } from '../src/config-document.js';
import { toFileForm } from '../src/config-file-form.js';
import { limitsSchema } from '../src/config-limits.js';

const page = readFileSync('docs/configuration.md', 'utf8');

test('every limit is documented with its default and its meaning, and none that is not there', () => {
  const defaults = limitsSchema.parse({});
  const rows = Object.entries(limitsSchema.shape).map(([name, schema]) => {
    const value = defaults[name as keyof typeof defaults];
    return `| \`${name}\` | ${name.includes('Bytes') ? formatByteSize(value) : value} | ${schema.description} |`;
  });
  const section = page.slice(page.indexOf('## Limits'));
  expect(section.split('\n').filter((line) => line.startsWith('| `'))).toEqual(rows);
});

test('every section and every variable is documented', () => {
  const config = parseConfig('node: paris', '/srv/sqlsync.yml', {});
  const names = [...Object.keys(toFileForm(config)).filter((name) => name !== 'limits'), ...Object.keys(OVERRIDES)];
  expect(names.filter((name) => !new RegExp(`\`${name}[\`.[]`).test(page))).toEqual([]);
});
