import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { configFlag, withConfigFlag, withDatabaseFlag } from '../src/config-flag.js';
import { makeFolder } from './support/make-folder.js';

test('a configuration is named unless it is the one that is found without', () => {
  const cwd = makeFolder();
  const search = { cwd, env: { HOME: cwd } };
  expect(configFlag(join(cwd, 'my own.yml'), search)).toBe(` -c '${join(cwd, 'my own.yml')}'`);
  const found = join(cwd, 'sqlsync.yml');
  writeFileSync(found, '');
  writeFileSync(join(cwd, 'other.yml'), '');
  expect(configFlag(found, search)).toBe('');
  expect(configFlag(join(cwd, 'other.yml'), search)).toBe(` -c ${join(cwd, 'other.yml')}`);
  expect(configFlag(join(cwd, 'other.yml'), { cwd, env: { SQLSYNC_CONFIG: 'other.yml' } })).toBe('');
});

test('a hint names it in commands to type here, not in those for another node', () => {
  const flag = ' -c x.yml';
  expect(withConfigFlag('sqlsync start', flag)).toBe('sqlsync start -c x.yml');
  expect(withConfigFlag('stop it, or use it: `sqlsync status`', flag)).toBe(
    'stop it, or use it: `sqlsync status -c x.yml`',
  );
  expect(withConfigFlag('on lyon: sqlsync rejoin', flag)).toBe('on lyon: sqlsync rejoin');
});

test('a hint names the database in commands that are about one, unless they name it already', () => {
  expect(withDatabaseFlag('Type `sqlsync conflicts` for those that there are.', 'shop')).toBe(
    'Type `sqlsync conflicts -d shop` for those that there are.',
  );
  expect(withDatabaseFlag('`sqlsync sync` first; see `sqlsync members --database shop`', 'my shop')).toBe(
    '`sqlsync sync` first; see `sqlsync members --database shop`',
  );
  expect(withDatabaseFlag('sqlsync rejoin', 'my shop')).toBe(`sqlsync rejoin -d 'my shop'`);
});
