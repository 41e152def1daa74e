/** What is in deploy/: that it is sound, that it speaks of what exists, and that it goes together. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config.js';
import { MetricSet } from '../../src/daemon/metrics/metric-set.js';
import { missingPrograms, nameWithout } from '../support/installed-program.js';
import { makeFolder } from '../support/make-folder.js';
import { freePort, ProcessNode } from '../support/process-node.js';
import { makeShop } from '../support/shop-database.js';
import { until } from '../support/until.js';

const DEPLOY = 'deploy';
const read = (...path: string[]) => readFileSync(join(DEPLOY, ...path), 'utf8');

/** Names of ours in a query; of a histogram its series. */
const metricsIn = (text: string) => new Set(text.match(/\b(?:sqlsync|process)_\w+_?\w*\b(?=[{[ )]|$)/gm) ?? []);

async function metricNames(): Promise<Set<string>> {
  const text = await new MetricSet().text();
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  return new Set(
    types.flatMap(([, name = '', type]) =>
      type === 'histogram' ? ['bucket', 'sum', 'count'].map((part) => `${name}_${part}`) : [name],
    ),
  );
}

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly query: string }[] };
}

const rules = (parse(read('prometheus', 'sqlsync.rules.yml')) as Rules).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(read('grafana', 'sqlsync.json')) as Dashboard;
const queries = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

test('every alert and every panel asks for metrics that exist, and says something', async () => {
  const known = await metricNames();
  for (const expression of [...rules.map(({ expr }) => expr), ...queries]) {
    const asked = [...metricsIn(expression)];
    expect(asked.filter((name) => !known.has(name))).toEqual([]);
    expect(asked.length > 0 || expression.startsWith('up{')).toBe(true);
  }
  const variables = dashboard.templating.list.flatMap(({ query }) => [...query.matchAll(/label_values\((\w+)/g)]);
  expect(variables.map(([, name]) => name).filter((name) => !known.has(name ?? ''))).toEqual([]);
});

test('every alert has a test', () => {
  const tested = read('prometheus', 'sqlsync.rules.test.yml');
  expect(rules.filter(({ alert }) => !tested.includes(`alertname: ${alert}\n`))).toEqual([]);
});

const noPromtool = missingPrograms('promtool');
// promtool is what judges.
test.skipIf(noPromtool !== null)(
  nameWithout('promtool takes the rules, their tests and every query', noPromtool),
  () => {
    const promtool = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
      expect(`${status} ${status === 0 ? '' : stdout + stderr}`).toBe('0 ');
    };
    const folder = join(DEPLOY, 'prometheus');
    promtool('check', 'config', join(folder, 'prometheus.yml'));
    promtool('test', 'rules', join(folder, 'sqlsync.rules.test.yml'));
    // A query of the dashboard is sound if a rule can be made of it.
    const asRules = queries.map((expr, i) => ({ record: `query:${i}`, expr: expr.replaceAll(/\$\w+/g, '.*') }));
    const file = join(makeFolder(), 'queries.yml');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: asRules }] }));
    promtool('check', 'rules', file);
  },
);

test('the nodes of compose.yml have sound configurations, and everything it mounts is there', () => {
  const { services } = parse(read('compose.yml'), { merge: true }) as {
    services: Record<string, { volumes?: string[]; read_only?: boolean }>;
  };
  const mounted = Object.values(services).flatMap(({ volumes = [] }) => volumes.map((volume) => volume.split(':')[0]));
  const paths = mounted.filter((source): source is string => source?.startsWith('./') ?? false);
  expect(paths.filter((path) => !existsSync(join(DEPLOY, path)))).toEqual([]);
  const targets = read('prometheus', 'prometheus.yml');
  for (const name of ['paris', 'lyon']) {
    const config = parseConfig(read('nodes', `${name}.yml`), `/etc/sqlsync/sqlsync.yml`, {});
    expect(config.node).toBe(name);
    expect(targets).toContain(`127.0.0.1:${config.admin?.listen.port}`);
    expect(services[name]?.read_only).toBe(true);
    expect(config.databases.map(({ path, identity }) => ({ path, identity }))).toEqual([
      { path: '/data/shop.db', identity: 'trust' },
    ]);
  }
});

test('the image runs what a release has', () => {
  const dockerfile = read('Dockerfile');
  expect(dockerfile).toMatch(/^USER 10001:10001$/m);
  expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  for (const [, script] of dockerfile.matchAll(/^RUN (scripts\/\S+)/gm)) expect(existsSync(script ?? '')).toBe(true);
  expect(readdirSync('bin')).toContain('run.js');
});

const noNginx = missingPrograms('nginx', 'openssl');
// nginx is what stands before the node.
test.skipIf(noNginx !== null)(
  nameWithout('two nodes exchange through nginx with TLS, live', noNginx),
  async () => {
    const folder = makeFolder();
    const port = await freePort();
    const cert = join(folder, 'cert.pem');
    const key = join(folder, 'key.pem');
    const made = spawnSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-keyout', key, '-out', cert, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
    ]);
    expect(made.status).toBe(0);
    const paris = await ProcessNode.first(folder, 'paris', makeShop, {}, ['--key-collision', 'keep']);
    onTestFinished(() => paris.dispose());
    await paris.start();
    await startNginx(folder, { port, nodePort: paris.port ?? 0, cert, key });

    const lyonFolder = join(folder, 'lyon');
    mkdirSync(lyonFolder);
    writeFileSync(join(lyonFolder, 'sqlsync.yml'), `node: lyon\ntls: { ca: ${cert} }\n`);
    const lyon = await ProcessNode.joining(paris, 'lyon', { url: `https://localhost:${port}` });
    onTestFinished(() => lyon.dispose());
    await lyon.start();
    await until(
      async () => ((await lyon.peer('paris')).state === 'online' ? true : null),
      20_000,
      () => 'not online',
    );
    expect(lyon.complaints).toEqual([]);
  },
  60_000,
);

interface Front {
  readonly port: number;
  readonly nodePort: number;
  readonly cert: string;
  readonly key: string;
}

/** The front of deploy/ with other addresses, as a process of the test's own. */
async function startNginx(folder: string, { port, nodePort, cert, key }: Front): Promise<void> {
  const front = read('nginx', 'sqlsync.conf')
    .replace('server 127.0.0.1:7420;', `server 127.0.0.1:${nodePort};`)
    .replace('listen 7420 ssl;', `listen 127.0.0.1:${port} ssl;`)
    .replace('    listen [::]:7420 ssl;\n', '')
    .replace('/etc/ssl/sqlsync/cert.pem', cert)
    .replace('/etc/ssl/sqlsync/key.pem', key);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => {
    const path = join(folder, 'nginx', name);
    mkdirSync(path, { recursive: true });
    return `${name}_temp_path ${path};`;
  });
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; pid ${join(folder, 'nginx.pid')}; error_log stderr warn;
events {}
http { access_log off; ${temporary.join(' ')}
${front}}
`,
  );
  const program = existsSync('/usr/sbin/nginx') ? '/usr/sbin/nginx' : 'nginx';
  const checked = spawnSync(program, ['-t', '-q', '-c', file], { encoding: 'utf8' });
  expect({ status: checked.status, said: checked.stderr }).toEqual({ status: 0, said: '' });
  const child = spawn(program, ['-c', file], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGTERM'));
  await until(
    () => (existsSync(join(folder, 'nginx.pid')) ? true : null),
    10_000,
    () => 'nginx does not start',
  );
}
