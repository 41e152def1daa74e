import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { expect, onTestFinished, test, vi } from 'vitest';
import { fingerprintOfPem, makeCertificate } from '../../src/self-made-certificate.js';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { runCli } from '../support/run-cli.js';
import { makeShop, onDatabase } from '../support/shop-database.js';
import { until } from '../support/until.js';

// Every step is a process of its own, and machines that run tests are busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** Paris listens beyond its machine, with a certificate of its own making. */
async function startParis(): Promise<ProcessNode & { readonly secureUrl: string }> {
  const paris = await ProcessNode.first(makeFolder(), 'paris', makeShop);
  onTestFinished(() => paris.dispose());
  await paris.succeed(['init', paris.path, '--listen', `0.0.0.0:${paris.port}`]);
  await paris.start();
  return Object.assign(paris, { secureUrl: `https://127.0.0.1:${paris.port}` });
}

/** Over TLS, whatever the certificate. */
async function metricsOf(url: string): Promise<string> {
  const agent = new Agent({ connect: { rejectUnauthorized: false } });
  const { body } = await request(`${url}/metrics`, { dispatcher: agent });
  const text = await body.text();
  await agent.close();
  return text;
}

const priceOf = (path: string) =>
  onDatabase(path, (db) => db.prepare("SELECT price FROM product WHERE sku = 'tea'").pluck().get());

test('one line lets a node in: over TLS, with no secret copied; and members revoke shuts it out', async () => {
  const paris = await startParis();
  const document = (await paris.succeed(['invite', 'lyon', '--url', paris.secureUrl, '--expires', '5m'])) as {
    invite: string;
    fingerprint: string;
  };
  expect(document).toMatchObject({ node: 'lyon', access: 'write', url: paris.secureUrl });
  expect(document.fingerprint).toBe(fingerprintOfPem(readFileSync(join(paris.folder, 'sqlsync.crt'), 'utf8')));
  expect(document.invite).toMatch(/^sqlsync-invite:[\w-]+$/);

  const folder = join(paris.folder, '..', 'lyon');
  mkdirSync(folder);
  const joined = await runCli(['join', document.invite, 'shop.db'], { cwd: folder });
  expect(joined).toMatchObject({ exitCode: 0 });
  expect(readdirSync(folder).sort()).toEqual(['shop.db', 'shop.db.sqlsync', 'sqlsync.yml']);
  const again = await runCli(['join', document.invite, 'shop.db', '--json'], { cwd: makeFolder() });
  expect(again.exitCode).toBe(77);
  expect(JSON.parse(again.stdout).error.code).toBe('invite-used');

  const sync = await runCli(['sync', '--json'], { cwd: folder });
  expect(sync).toMatchObject({ exitCode: 0 });
  const verify = await runCli(['verify', '--json'], { cwd: folder });
  expect(JSON.parse(verify.stdout)).toMatchObject({ equal: true });

  const rejoined = await runCli(['rejoin', '--json'], { cwd: folder });
  expect(JSON.parse(rejoined.stdout)).toMatchObject({ node: 'lyon', peer: 'paris' });
  expect((await runCli(['sync'], { cwd: folder })).exitCode).toBe(0);

  const operations = JSON.stringify(await paris.succeed(['operations']));
  expect(operations).toContain('invite lyon');
  expect(operations).not.toContain(document.invite.slice(20, 60));
  expect(JSON.stringify(paris.log)).not.toContain(document.invite.slice(20, 60));

  expect((await paris.run(['members', 'revoke', 'lyon'])).exitCode).toBe(2);
  expect(await paris.succeed(['members', 'revoke', 'lyon', '--yes'])).toMatchObject({ changed: true, hadKey: true });
  const refused = await runCli(['sync', '--json'], { cwd: folder });
  expect(refused.exitCode).toBe(77);
  expect(refused.stdout).toContain('credential-revoked');
  const { healthy, problems } = await paris.status();
  expect([healthy, problems]).toMatchObject([
    true,
    [
      {
        code: 'credential-revoked',
        severity: 'warning',
        message: expect.stringContaining('lyon is revoked'),
        command: expect.stringContaining('members remove'),
      },
    ],
  ]);
});

test('a pair goes on while a certificate is exchanged; a file that is wrong changes nothing', async () => {
  const paris = await startParis();
  const { invite } = (await paris.succeed(['invite', 'lyon', '--url', paris.secureUrl])) as { invite: string };
  const folder = join(paris.folder, '..', 'lyon');
  mkdirSync(folder);
  expect(await runCli(['join', invite, 'shop.db'], { cwd: folder })).toMatchObject({ exitCode: 0 });
  const [cert, key] = [join(paris.folder, 'sqlsync.crt'), join(paris.folder, 'sqlsync.key')];
  const metric = async () => /^sqlsync_config_reload_success\S* (\d)$/m.exec(await metricsOf(paris.secureUrl))?.[1];
  const reload = (success: string) => {
    process.kill(paris.pid, 'SIGHUP');
    return until(
      async () => ((await metric()) === success ? true : null),
      10_000,
      () => `no reload ends as ${success}`,
    );
  };
  const fresh = makeCertificate('paris', '127.0.0.1', new Date());

  // The key of another certificate.
  copyFileSync(key, `${key}.old`);
  writeFileSync(key, fresh.key);
  await reload('0');
  expect(paris.complaints.map(({ code }) => code)).toEqual(['config-invalid']);
  expect((await runCli(['sync'], { cwd: folder })).exitCode).toBe(0);

  writeFileSync(cert, fresh.cert);
  await reload('1');
  const stranger = await runCli(['sync', '--json'], { cwd: folder });
  expect([stranger.exitCode, stranger.stdout]).toEqual([77, expect.stringContaining('peer-certificate')]);
  const config = join(folder, 'sqlsync.yml');
  writeFileSync(
    config,
    readFileSync(config, 'utf8').replace(/fingerprint: .*/, `fingerprint: ${fingerprintOfPem(fresh.cert)}`),
  );
  onDatabase(paris.path, (db) => db.prepare("UPDATE product SET price = 77 WHERE sku = 'tea'").run());
  expect((await runCli(['sync'], { cwd: folder })).exitCode).toBe(0);
  expect(priceOf(join(folder, 'shop.db'))).toBe(77);
  const commandLine = readFileSync(`/proc/${paris.pid}/cmdline`, 'utf8');
  expect(commandLine).not.toContain(readFileSync(join(paris.folder, 'secret'), 'utf8').trim());
});

test('an invitation that nobody could follow is not made', async () => {
  const paris = await ProcessNode.first(makeFolder(), 'paris', makeShop);
  const cases: readonly [args: string[], exitCode: number, code: string, message: string][] = [
    [['paris'], 77, 'node-name-taken', 'paris'],
    [['ly on'], 2, 'usage', 'letters'],
    [['lyon', '--expires', '0s'], 2, 'usage', '30 days'],
    [['lyon', '--expires', '31d'], 2, 'usage', '30 days'],
    [['lyon', '--url', 'https://paris:1'], 2, 'usage', 'without TLS'],
  ];
  for (const [args, exitCode, code, message] of cases) {
    const run = await paris.run(['invite', ...args, '--json']);
    expect({ args, exitCode: run.exitCode, ...JSON.parse(run.stdout).error }).toMatchObject({ args, exitCode, code });
    expect(run.stdout).toContain(message);
  }
  const broken = await runCli(['join', 'sqlsync-invite:bm90aGluZw', 'shop.db', '--json'], { cwd: makeFolder() });
  expect([broken.exitCode, broken.stdout]).toEqual([2, expect.stringContaining('not whole')]);
  expect(broken.stdout).not.toContain('bm90aGluZw');
});
