import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config.js';
import { installService, uninstallService } from '../../../src/operations/service/install-service.js';
import { planService } from '../../../src/operations/service/plan-service.js';
import type { ServiceHost, ServiceOptions } from '../../../src/operations/service/service-host.js';
import { makeFolder } from '../../support/make-folder.js';

const OPTIONS: ServiceOptions = { user: null, isDynamic: false, instance: null, withTimers: false, program: null };
const OWNER = { uid: 1000, gid: 1001 };

/** A machine on which user app owns everything but what is told otherwise. */
function hostWith(change: Partial<ServiceHost> = {}): ServiceHost {
  return {
    uid: 0,
    program: ['/usr/bin/node', '/opt/sqlsync/current/bin/run.js'],
    ownerOf: () => OWNER,
    realPath: (path) => path,
    userName: (uid) => (uid === OWNER.uid ? 'app' : `user${uid}`),
    groupName: (gid) => `group${gid}`,
    systemFolder: '/nowhere/units',
    isSystemdRunning: false,
    systemctl: () => Promise.reject(new Error('nobody asked for it')),
    ...change,
  };
}

function configWith(text: string, file = '/etc/sqlsync/sqlsync.yml') {
  return parseConfig(`node: paris\n${text}`, file, {});
}

const SHOP = 'databases: [{ name: shop, path: /srv/shop/shop.db }, { name: pay, path: /srv/pay/pay.db }]';
const unitOf = (text: string, change: Partial<ServiceOptions> = {}, host = hostWith()) =>
  planService(configWith(text), { ...OPTIONS, ...change }, host);

describe('a unit', () => {
  it('runs as the owner of the databases and writes in their folders only', () => {
    const [unit] = unitOf(`${SHOP}\nsecretFile: ./secret`).units;
    expect(unit?.name).toBe('sqlsync.service');
    for (const line of [
      'Type=notify',
      'NotifyAccess=all',
      'WatchdogSec=90',
      'User=app',
      'Group=group1001',
      'ExecStart=/usr/bin/node /opt/sqlsync/current/bin/run.js start',
      'ReadWritePaths=/srv/shop /srv/pay',
      'ProtectSystem=strict',
      'ProtectHome=yes',
      'PrivateTmp=yes',
      'RestartPreventExitStatus=2 65 77 78',
      // Two databases, each of which may wait 30 s for a lock.
      'TimeoutStartSec=120',
    ])
      expect(unit?.text.split('\n')).toContain(line);
  });

  it('sees home and scratch folders where something of ours is in them', () => {
    const [unit] = unitOf('databases: [{ name: a, path: /home/app/a.db }, { name: b, path: /var/tmp/b.db }]').units;
    expect(unit?.text).toContain('ProtectHome=read-only\nPrivateTmp=no\nReadWritePaths=/home/app /var/tmp\n');
  });

  it('writes out paths as systemd reads them', () => {
    const [unit] = unitOf('databases: [{ name: a, path: "/srv/a $b 100%/\\"x\\"/a.db" }]', {
      program: '/opt/my $tools/sqlsync',
    }).units;
    expect(unit?.text).toContain('ReadWritePaths="/srv/a $b 100%%/\\"x\\""\n');
    expect(unit?.text).toContain('ExecStart="/opt/my $$tools/sqlsync" start\n');
  });

  it('hands the secret to a user that systemd makes up, who is in the group of the databases', () => {
    const { units, warnings } = unitOf(`${SHOP}\nsecretFile: ./secret`, { isDynamic: true });
    expect(units[0]?.text).toContain(
      'DynamicUser=yes\nSupplementaryGroups=group1001\nLoadCredential=secret:/etc/sqlsync/secret\n' +
        'Environment=SQLSYNC_SECRET_FILE=%d/secret\n',
    );
    expect(warnings.join()).toContain('writable for their group');
  });

  it('needs a word where several own the databases, or nobody', () => {
    const host = hostWith({ ownerOf: (path) => ({ ...OWNER, uid: path.includes('pay') ? 7 : 1000 }) });
    expect(() => unitOf(SHOP, {}, host)).toThrow(/which user is to run the daemon\? app, user7/);
    expect(() => unitOf('')).toThrow(/which user/);
    expect(unitOf(SHOP, { user: 'sync' }, host).units[0]?.text).toContain('User=sync\n');
  });

  it('may write backups where they go, and is told when that is nowhere yet', () => {
    const host = hostWith({ ownerOf: (path) => (path === '/srv/backups' ? null : OWNER) });
    const { units, warnings } = unitOf(`${SHOP}\nbackup: { to: /srv/backups }`, {}, host);
    expect(units[0]?.text).toContain('ReadWritePaths=/srv/shop /srv/pay -/srv/backups\n');
    expect(warnings).toEqual(['make the folder of the backups, since the unit cannot: /srv/backups']);
  });

  it('of several has a drop-in, and timers by its name', () => {
    const text = `${SHOP}\nbackup: { schedule: null }\nprune: { schedule: null }`;
    const { units, enabled, warnings } = unitOf(text, { instance: 'paris', withTimers: true });
    expect(units.map(({ name }) => name)).toEqual([
      'sqlsync@.service',
      'sqlsync@paris.service.d/sqlsync.conf',
      'sqlsync-paris-backup.service',
      'sqlsync-paris-backup.timer',
      'sqlsync-paris-prune.service',
      'sqlsync-paris-prune.timer',
    ]);
    const run = '/usr/bin/node /opt/sqlsync/current/bin/run.js';
    expect(units[2]?.text.match(/^ExecStart=.*$/gm)).toEqual([
      `ExecStart=${run} backup --database shop --quiet --no-input`,
      `ExecStart=${run} backup --database pay --quiet --no-input`,
    ]);
    expect(units[4]?.text.match(/^ExecStart=.*$/gm)).toEqual([`ExecStart=${run} prune --quiet --no-input`]);
    expect(enabled).toEqual(['sqlsync@paris.service', 'sqlsync-paris-backup.timer', 'sqlsync-paris-prune.timer']);
    expect(warnings).toEqual([]);
  });
});

describe('an installation', () => {
  const plan = (instance: string | null = null, text = SHOP) => unitOf(text, { instance, withTimers: true });
  const install = (folder: string, of = plan(), change = {}, host = hostWith()) =>
    installService(of, { folder, dryRun: false, now: false, ...change }, host);
  const changes = (report: Awaited<ReturnType<typeof install>>) => report.items.map(({ change }) => change);

  it('writes, says that nothing has changed, replaces what has, and takes all of it away', async () => {
    const folder = makeFolder();
    const text = `${SHOP}\nbackup: {}`;
    expect(changes(await install(folder, plan(null, text)))).toEqual(Array(5).fill('written'));
    expect(changes(await install(folder, plan(null, text)))).toEqual(Array(5).fill('unchanged'));
    const more = plan(null, `${text}\nlimits: { lockWaitMsMax: 60000 }`);
    expect(changes(await install(folder, more))).toEqual(['replaced', ...Array(4).fill('unchanged')]);
    const removed = await uninstallService(null, { folder, dryRun: false }, hostWith());
    expect(changes(removed)).toEqual(Array(5).fill('removed'));
    expect(readdirSync(folder)).toEqual([]);
  });

  it('changes nothing in a dry run', async () => {
    const folder = makeFolder();
    expect(changes(await install(folder, plan(), { dryRun: true }))).toEqual(Array(3).fill('written'));
    expect(readdirSync(folder)).toEqual([]);
    await install(folder);
    const removed = await uninstallService(null, { folder, dryRun: true }, hostWith());
    expect(changes(removed)).toEqual(['removed', 'absent', 'absent', 'removed', 'removed']);
    expect(readdirSync(folder)).toHaveLength(3);
  });

  it.each(['foreign', 'edited', 'masked'] as const)('touches no unit that is %s, nor any other then', async (kind) => {
    const folder = makeFolder();
    const path = join(folder, 'sqlsync-prune.timer');
    if (kind === 'foreign') writeFileSync(path, '[Timer]\nOnCalendar=daily\n');
    // As systemd masks a unit, with a file that nobody needs in the place of /dev/null.
    const masked = join(makeFolder(), 'null');
    writeFileSync(masked, '');
    if (kind === 'masked') symlinkSync(masked, path);
    if (kind === 'edited') {
      await install(folder);
      writeFileSync(path, readFileSync(path, 'utf8').replace('03:30', '05:00'));
    }
    const before = readdirSync(folder);
    const refusal = expect.objectContaining({ code: 'service-foreign', message: expect.stringContaining(path) });
    await expect(install(folder, plan('lyon'))).resolves.toBeDefined();
    await expect(install(folder)).rejects.toThrow(refusal);
    await expect(uninstallService(null, { folder, dryRun: false }, hostWith())).rejects.toThrow(refusal);
    await uninstallService('lyon', { folder, dryRun: false }, hostWith());
    expect(readdirSync(folder)).toEqual(before);
    expect(readFileSync(masked, 'utf8')).toBe('');
  });

  it('keeps the template while another instance needs it, and what else is in the folder of drop-ins', async () => {
    const folder = makeFolder();
    await install(folder, plan('paris'));
    await install(folder, plan('lyon'));
    writeFileSync(join(folder, 'sqlsync@paris.service.d', 'own.conf'), '[Service]\nNice=5\n');
    await uninstallService('lyon', { folder, dryRun: false }, hostWith());
    expect(readdirSync(folder).sort()).toContain('sqlsync@.service');
    await uninstallService('paris', { folder, dryRun: false }, hostWith());
    expect(readdirSync(folder)).toEqual(['sqlsync@paris.service.d']);
    expect(readdirSync(join(folder, 'sqlsync@paris.service.d'))).toEqual(['own.conf']);
  });

  it('in the folder of the system needs root, whether or not systemd runs', async () => {
    const folder = makeFolder();
    const host = hostWith({ uid: 1000, systemFolder: folder });
    const needed = expect.objectContaining({ code: 'root-needed' });
    await expect(install(folder, plan(), {}, host)).rejects.toThrow(needed);
    await expect(uninstallService(null, { folder, dryRun: false }, host)).rejects.toThrow(needed);
    await expect(install(folder, plan(), { dryRun: true }, host)).resolves.toBeDefined();
    expect(readdirSync(folder)).toEqual([]);
    await expect(install(makeFolder(), plan(), {}, host)).resolves.toBeDefined();
  });

  describe('where systemd runs', () => {
    /** A systemd that takes note of what it is asked, and of what is in the folder then. */
    function withSystemd(exitCode = 0) {
      const folder = makeFolder();
      const asked: { words: string; files: number }[] = [];
      const host = hostWith({
        systemFolder: folder,
        isSystemdRunning: true,
        systemctl: async (words) => {
          asked.push({ words: words.join(' '), files: readdirSync(folder).length });
          return { exitCode, text: 'Job failed.\n' };
        },
      });
      return { folder, asked, host };
    }

    it('has it read the units once they are there, and start them if that is asked for', async () => {
      const { folder, asked, host } = withSystemd();
      const { systemctl } = await install(folder, plan(), { now: true }, host);
      const all = 'sqlsync.service sqlsync-prune.timer';
      expect(asked).toEqual([
        { words: 'daemon-reload', files: 3 },
        { words: `enable --now ${all}`, files: 3 },
      ]);
      expect(systemctl).toEqual(asked.map(({ words }) => words));
    });

    it('has it stop them before they go, and asks nothing where nothing is', async () => {
      const { folder, asked, host } = withSystemd();
      await uninstallService(null, { folder, dryRun: false }, host);
      expect(asked).toEqual([]);
      await install(folder, plan(), {}, host);
      asked.length = 0;
      await uninstallService(null, { folder, dryRun: true }, host);
      expect(asked).toEqual([]);
      await uninstallService(null, { folder, dryRun: false }, host);
      expect(asked).toEqual([
        { words: 'disable --now sqlsync.service sqlsync-prune.timer', files: 3 },
        { words: 'daemon-reload', files: 0 },
      ]);
    });

    it('removes nothing that cannot be stopped', async () => {
      const { folder, host } = withSystemd(1);
      const failed = expect.objectContaining({
        code: 'systemctl-failed',
        message: expect.stringContaining('disable --now sqlsync.service sqlsync-prune.timer: Job failed.'),
      });
      await install(folder);
      await expect(uninstallService(null, { folder, dryRun: false }, host)).rejects.toThrow(failed);
      expect(readdirSync(folder)).toHaveLength(3);
    });
  });
});
