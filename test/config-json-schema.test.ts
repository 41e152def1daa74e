import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { parseConfig } from '../src/config.js';
import { toFileForm } from '../src/config-file-form.js';
import { configJsonSchema } from '../src/config-json-schema.js';
import { makeFolder } from './support/make-folder.js';
import { runCli } from './support/run-cli.js';

const WHOLE = {
  node: 'paris',
  listen: '127.0.0.1:7420',
  secretFile: './secret',
  tls: { cert: 'cert.pem', key: 'key.pem', ca: 'ca.pem', clientAuth: 'required' },
  admin: { listen: '127.0.0.1:7430' },
  databases: [{ name: 'shop', path: './shop.db' }],
  peers: [{ name: 'lyon', url: 'https://lyon:7420', schedule: null }],
  backup: { to: './backups', keep: { last: 3 } },
  prune: { keepLog: '3d' },
  verify: {},
  health: { lagSecondsMax: null, diskFreeBytesMin: '2GiB' },
  limits: { pollMs: 500, frameBytesMax: '64MiB' },
  log: { level: 'debug' },
};

test('takes what the configuration takes, also with every default written out, and no unknown key', () => {
  const schema = z.fromJSONSchema(configJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
  const complaintsAbout = (config: unknown) => schema.safeParse(config).error?.issues ?? [];
  expect(complaintsAbout(WHOLE)).toEqual([]);
  expect(complaintsAbout(toFileForm(parseConfig(stringify(WHOLE), '/srv/sqlsync.yml', {})))).toEqual([]);
  expect(complaintsAbout({ ...WHOLE, nodes: 1 })).not.toEqual([]);
  expect(complaintsAbout({ ...WHOLE, limits: { pollMs: 1 } })).not.toEqual([]);
  expect(complaintsAbout({})).not.toEqual([]);
});

test('is printed alike for people and for programs', async () => {
  const cwd = makeFolder();
  const plain = await runCli(['config', 'schema'], { cwd });
  expect(JSON.parse(plain.stdout)).toEqual(configJsonSchema());
  expect(await runCli(['config', 'schema', '--json'], { cwd })).toEqual(plain);
});
