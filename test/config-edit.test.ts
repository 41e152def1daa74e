import { chmodSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../src/config.js';
import {
  checkConfigAdditions,
  extendConfigFile,
  removeDatabaseFromFile,
  removePeerFromFile,
} from '../src/config-edit.js';
import { makeFolder } from './support/make-folder.js';

const ANNOTATED = `# Our shop in Paris.
node: paris # never rename
databases:
  # the till writes this one
  - { name: shop, path: ./shop.db }
peers:
  - name: lyon # over the tunnel
    url: http://127.0.0.1:7421
`;

test('a new file is private, says what it is, and is a valid configuration', () => {
  const folder = makeFolder();
  const file = join(folder, 'sqlsync.yml');
  const additions = {
    node: 'paris',
    listen: '127.0.0.1:7420',
    secretFile: join(folder, 'sqlsync.secret'),
    database: { name: 'shop', path: join(folder, 'data', 'shop.db') },
  };
  expect(extendConfigFile(file, additions, {})).toBe('created');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(
    readFileSync(file, 'utf8'),
  ).toBe(`# sqlsync configuration. \`sqlsync config check\` checks it, \`sqlsync config show\` shows it with all defaults.

node: paris
listen: 127.0.0.1:7420
secretFile: ./sqlsync.secret
databases:
  - name: shop
    path: ./data/shop.db
`);
  expect(extendConfigFile(file, additions, {})).toBe('unchanged');
  expect(loadConfig({ file, env: {} }).databases).toMatchObject([
    { name: 'shop', path: join(folder, 'data', 'shop.db') },
  ]);
});

test('comments, order and mode stay when a file is extended', () => {
  const file = join(makeFolder(), 'sqlsync.yml');
  writeFileSync(file, ANNOTATED);
  chmodSync(file, 0o640);
  const peer = { name: 'nice', url: 'https://nice:7420', direction: 'pull' as const };
  expect(extendConfigFile(file, { database: { name: 'stock', path: '/srv/stock.db' }, peer }, {})).toBe('changed');
  const text = readFileSync(file, 'utf8');
  for (const line of ANNOTATED.split('\n')) expect(text).toContain(line);
  expect(statSync(file).mode & 0o777).toBe(0o640);
  const config = loadConfig({ file, env: {} });
  expect(config.databases.map(({ name }) => name)).toEqual(['shop', 'stock']);
  expect(config.peers.at(-1)).toMatchObject({ name: 'nice', direction: 'pull' });
  expect(readdirSync(join(file, '..'))).toEqual(['sqlsync.yml']);
});

test('a peer that is there is changed in place, and a removed one leaves the others alone', () => {
  const file = join(makeFolder(), 'sqlsync.yml');
  writeFileSync(file, ANNOTATED);
  expect(extendConfigFile(file, { peer: { name: 'lyon', url: 'http://127.0.0.1:7999' } }, {})).toBe('changed');
  expect(readFileSync(file, 'utf8')).toContain('name: lyon # over the tunnel\n    url: http://127.0.0.1:7999');
  expect(removePeerFromFile(file, 'nobody', {})).toBe('unchanged');
  expect(removePeerFromFile(file, 'lyon', {})).toBe('changed');
  expect(loadConfig({ file, env: {} }).peers).toEqual([]);
});

test('what would make the file wrong is refused, and the file stays as it was', () => {
  const file = join(makeFolder(), 'sqlsync.yml');
  writeFileSync(file, ANNOTATED);
  const refused = expect.objectContaining({ code: 'config-invalid' });
  expect(() => extendConfigFile(file, { listen: '0.0.0.0:7420' }, {})).toThrow(refused);
  expect(() => extendConfigFile(file, { database: { name: 'copy', path: join(file, '..', 'shop.db') } }, {})).toThrow(
    refused,
  );
  expect(readFileSync(file, 'utf8')).toBe(ANNOTATED);
  const absent = join(makeFolder(), 'sqlsync.yml');
  expect(() => extendConfigFile(absent, { listen: 'nowhere' }, {})).toThrow(refused);
  expect(existsSync(absent)).toBe(false);
});

test('text that is no configuration is not extended', () => {
  const file = join(makeFolder(), 'sqlsync.yml');
  writeFileSync(file, '- a list');
  expect(() => extendConfigFile(file, { node: 'paris' }, {})).toThrow(/must be a mapping/);
});

test('a symbolic link keeps pointing to the file that is changed', () => {
  const folder = makeFolder();
  writeFileSync(join(folder, 'real.yml'), ANNOTATED);
  symlinkSync(join(folder, 'real.yml'), join(folder, 'sqlsync.yml'));
  extendConfigFile(join(folder, 'sqlsync.yml'), { listen: '127.0.0.1:7420' }, {});
  expect(readFileSync(join(folder, 'real.yml'), 'utf8')).toContain('listen: 127.0.0.1:7420');
});

test('a check of additions says what an edit would, and writes nothing', () => {
  const file = join(makeFolder(), 'sqlsync.yml');
  const database = { name: 'shop', path: join(file, '..', 'shop.db') };
  expect(checkConfigAdditions(file, { node: 'paris', database }, {})).toBe('created');
  expect(() => checkConfigAdditions(file, { node: 'pa ris', database }, {})).toThrow(
    expect.objectContaining({ code: 'config-invalid' }),
  );
  expect(existsSync(file)).toBe(false);
});

test('a removed database leaves no peer that names it', () => {
  const file = join(makeFolder(), 'sqlsync.yml');
  writeFileSync(
    file,
    `${ANNOTATED}    databases: [shop]\n  - { name: nice, url: "https://nice:1", databases: ["*"] }\n`,
  );
  expect(removeDatabaseFromFile(file, 'nothing', {})).toBe('unchanged');
  expect(removeDatabaseFromFile(file, 'shop', {})).toBe('changed');
  const config = loadConfig({ file, env: {} });
  expect(config.databases).toEqual([]);
  expect(config.peers.map(({ name }) => name)).toEqual(['nice']);
});
