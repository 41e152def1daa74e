import { chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig, parseConfig, pickDatabase } from '../src/config.js';
import { toFileForm } from '../src/config-file-form.js';
import { findConfigFile } from '../src/config-search.js';
import { SqlsyncError } from '../src/errors.js';
import { makeFolder } from './support/make-folder.js';

const FILE = '/srv/shop/sqlsync.yml';

function errorOf(run: () => unknown): SqlsyncError {
  try {
    run();
  } catch (error) {
    if (error instanceof SqlsyncError) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

/** The mistakes that a text has, without the places of those around them. */
function mistakesIn(text: string, env: Record<string, string> = {}): string[] {
  const error = errorOf(() => parseConfig(text, FILE, env));
  expect(error.code).toBe('config-invalid');
  return error.message
    .split('\n')
    .slice(1)
    .map((line) => line.trim());
}

test('the least configuration gets every default', () => {
  const config = parseConfig('node: paris', FILE, {});
  expect(config).toMatchObject({
    file: FILE,
    node: 'paris',
    listen: null,
    databases: [],
    peers: [],
    backup: null,
    prune: { schedule: '30 3 * * *', keepLogMs: 7 * 86_400_000, peerTimeoutMs: 30 * 86_400_000 },
    health: { lagSecondsMax: 300, verifyAgeMsMax: null, diskFreeBytesMin: 1024 ** 3 },
    limits: { lockHoldMsMax: 100, frameBytesMax: 256 * 1024 ** 2, drainSecondsMax: 10 },
    log: { level: 'info', format: 'auto' },
  });
});

test('a whole configuration is typed, and its paths are relative to its file', () => {
  const config = parseConfig(
    `
node: paris
listen: "[::1]:7420"
secretFile: ./sqlsync.secret
tls: { cert: ./tls/cert.pem, key: /etc/key.pem }
databases: [{ name: shop, path: ./shop.db }]
peers: [{ name: lyon, url: "https://lyon:7421/", databases: [shop], direction: pull, schedule: null, live: false }]
backup: { to: ../backups, keep: { daily: 1 } }
prune: { keepLog: 36h, retainedBytesMax: 512MiB }
`,
    FILE,
    {},
  );
  expect(config).toMatchObject({
    listen: { host: '::1', port: 7420 },
    secretFile: '/srv/shop/sqlsync.secret',
    tls: { cert: '/srv/shop/tls/cert.pem', key: '/etc/key.pem', ca: null, clientAuth: 'none' },
    databases: [{ name: 'shop', path: '/srv/shop/shop.db' }],
    peers: [{ url: 'https://lyon:7421', direction: 'pull', schedule: null, live: false }],
    backup: { to: '/srv/backups', schedule: '0 3 * * *', keep: { last: 3, daily: 1 } },
    prune: { keepLogMs: 36 * 3_600_000, retainedBytesMax: 512 * 1024 ** 2 },
  });
});

test('all mistakes come at once, each with its line, path and value', () => {
  const text = `node: "a b"
listen: 0.0.0.0:7420
secrets: [x]
databases:
  - { name: shop, path: ./shop.db }
  - { name: shop, path: shop.db }
peers:
  - name: lyon
    url: ftp://lyon
    databases: [nope]
    direction: sideways
    schedule: hourly
  - url: https://user:pass@nice
prune: { keepLog: 7 }
limits: { pollMs: 1 }
`;
  expect(mistakesIn(text)).toEqual([
    'line 1: node: "a b" must be 1 to 63 letters, digits, _ or -, the first a letter or a digit',
    expect.stringMatching(/^line 2: listen: "0\.0\.0\.0:7420" is reachable from other machines/),
    'line 3: secrets: is no key of the configuration',
    'line 6: databases[1].name: "shop" stands at databases[0] too',
    'line 6: databases[1].path: "shop.db" stands at databases[0] too',
    'line 9: peers[0].url: "ftp://lyon" must be a URL such as https://lyon:7420',
    'line 11: peers[0].direction: "sideways" must be both, push or pull',
    expect.stringMatching(/^line 12: peers\[0\]\.schedule: "hourly" must be a cron expression/),
    'line 13: peers[1].name: is missing',
    'line 13: peers[1].url: "https://…@nice" must hold no credentials: they come from secretFile',
    'line 14: prune.keepLog: 7 must be a duration such as 30s, 15m or 7d',
    'line 15: limits.pollMs: 1 must be a whole number from 10 to 3600000',
  ]);
});

test.each([
  ['peers: [{ name: paris, url: "http://127.0.0.1:1" }]', /peers\[0\]\.name: "paris" is the name of this node/],
  ['peers: [{ name: lyon, url: "http://lyon:7420" }]', /would send the secret in the clear/],
  [
    'peers: [{ name: lyon, url: "http://[::1]:1", databases: [shop] }]',
    /databases\[0\]: "shop" is not among databases/,
  ],
  ['tls: { cert: ./cert.pem }', /tls: cert and key must stand together/],
  ['tls: { cert: a, key: b, clientAuth: required }', /needs a ca/],
  ['limits: { retryMsMin: 60000 }', /limits\.retryMsMin: 60000 must not exceed retryMsMax \(30000\)/],
  ['log: { level: loud }', /log\.level: "loud" must be trace, debug, info, warn or error/],
  ['limits: { frameBytesMax: 3 apples }', /must be a size such as/],
  ['listen: ":7420"', /listen: ":7420" must be an address and a port/],
  ['listen: { port: 1', /line \d: /],
  ['node: lyon', /line 2: Map keys must be unique/],
])('%s is refused', (line, message) => {
  expect(mistakesIn(`node: paris\n${line}\n`).join('\n')).toMatch(message);
});

test('text that is no mapping is refused', () => {
  expect(mistakesIn('- node')).toEqual(['line 1: must be a mapping of keys to values']);
  expect(mistakesIn('')).toEqual([expect.stringMatching(/node: is missing/)]);
});

test('listening to the world is allowed with tls', () => {
  const text = 'node: paris\nlisten: 0.0.0.0:7420\ntls: { cert: a.pem, key: b.pem }';
  expect(parseConfig(text, FILE, {}).listen).toEqual({ host: '0.0.0.0', port: 7420 });
});

test('a section whose keys are all commented out means its defaults', () => {
  expect(parseConfig('node: paris\nlimits:\n  # pollMs: 5\npeers:\n', FILE, {})).toMatchObject({ peers: [] });
  expect(mistakesIn('node: paris\nlimitz:\n')).toEqual(['line 2: limitz: is no key of the configuration']);
});

test('variables are expanded, in numbers and switches too, and one that is not set is a mistake', () => {
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: the configuration's own variables
  const text = 'node: ${NODE}-1\nlimits: { pollMs: "${POLL}" }\nlog: { level: "${LEVEL}" }';
  const config = parseConfig(text, FILE, { NODE: 'paris', POLL: '500', LEVEL: 'warn' });
  expect(config).toMatchObject({ node: 'paris-1', limits: { pollMs: 500 }, log: { level: 'warn' } });
  expect(mistakesIn(text, { NODE: 'paris', LEVEL: 'loud' })).toEqual([
    'line 2: ${POLL} is not set in the environment',
    expect.stringMatching(/^line 3: log\.level: "loud"/),
  ]);
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: the configuration's own variables
});

test('the environment stands above the file', () => {
  const env = { SQLSYNC_NODE: 'lyon', SQLSYNC_LOG_LEVEL: 'debug', SQLSYNC_ADMIN_LISTEN: '127.0.0.1:1' };
  expect(parseConfig('node: paris', FILE, env)).toMatchObject({
    node: 'lyon',
    admin: { listen: { host: '127.0.0.1', port: 1 } },
    log: { level: 'debug', format: 'auto' },
  });
  expect(mistakesIn('node: paris', { SQLSYNC_NODE: '?' })).toEqual([expect.stringMatching(/^environment: node: "\?"/)]);
});

test('what is shown reads back as the same configuration', () => {
  const text = `
node: paris
listen: localhost:7420
databases: [{ name: shop, path: ./shop.db }]
backup: { schedule: null }
health: { backupAgeMax: 26h }
limits: { requestBytesMax: 1500kB }`;
  const config = parseConfig(text, FILE, {});
  expect(parseConfig(JSON.stringify(toFileForm(config)), FILE, {})).toEqual(config);
});

test('the file is searched for in the order that is documented', () => {
  const cwd = makeFolder();
  const search = (extra: object = {}) => findConfigFile({ cwd, env: { XDG_CONFIG_HOME: join(cwd, 'xdg') }, ...extra });
  expect(errorOf(search)).toMatchObject({ code: 'config-missing', exitCode: 78 });

  mkdirSync(join(cwd, 'xdg', 'sqlsync'), { recursive: true });
  const shared = join(cwd, 'xdg', 'sqlsync', 'sqlsync.yml');
  writeFileSync(shared, 'node: xdg');
  expect(search()).toBe(shared);

  const here = join(cwd, 'sqlsync.yml');
  writeFileSync(here, 'node: here');
  expect(search()).toBe(here);
  expect(search({ env: { SQLSYNC_CONFIG: shared } })).toBe(shared);
  expect(search({ file: shared, env: { SQLSYNC_CONFIG: here } })).toBe(shared);
  expect(errorOf(() => search({ file: 'nope.yml' })).message).toContain(join(cwd, 'nope.yml'));
  expect(loadConfig({ cwd, env: {} }).node).toBe('here');
});

test("a file in the working directory that is another user's is not taken", () => {
  const cwd = makeFolder();
  const file = join(cwd, 'sqlsync.yml');
  writeFileSync(file, 'node: paris');
  // Root can give the file away; anybody else looks at it with the eyes of another user.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(file, 12_345, 12_345);
  const uid = isRoot ? 0 : statSync(file).uid + 1;
  const error = errorOf(() => findConfigFile({ cwd, env: { HOME: cwd }, uid }));
  expect(error).toMatchObject({ code: 'config-missing', hint: expect.stringContaining('--config') });
});

test('a database is picked by name or path, and must be named where there are several', () => {
  const two = 'node: a\ndatabases: [{ name: x, path: ./x.db }, { name: y, path: ./y.db }]';
  const config = parseConfig(two, FILE, {});
  expect(pickDatabase(config, 'y').path).toBe('/srv/shop/y.db');
  expect(pickDatabase(config, '/srv/shop/x.db').name).toBe('x');
  expect(errorOf(() => pickDatabase(config, undefined))).toMatchObject({ code: 'database-ambiguous', exitCode: 2 });
  expect(errorOf(() => pickDatabase(config, 'z'))).toMatchObject({ code: 'usage', hint: 'It has: x, y' });
  expect(pickDatabase(parseConfig('node: a\ndatabases: [{ name: x, path: x.db }]', FILE, {}), undefined).name).toBe(
    'x',
  );
});
