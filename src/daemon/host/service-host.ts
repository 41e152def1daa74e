/** This machine as the commands of `service` ask it: see operations/service/service-host.ts. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type ServiceHost, SYSTEM_UNITS, type SystemctlResult } from '../../operations/service/service-host.js';

/** As long as a unit may take to stop, and more. */
const SYSTEMCTL_TIMEOUT_MS = 600_000;

export const serviceHost: ServiceHost = {
  uid: process.getuid?.() ?? -1,
  program: [process.execPath, process.argv[1] ?? ''],
  ownerOf: (path) => {
    const entry = statSync(path, { throwIfNoEntry: false });
    return entry === undefined ? null : { uid: entry.uid, gid: entry.gid };
  },
  realPath,
  userName: (uid) => nameIn('/etc/passwd', uid),
  groupName: (gid) => nameIn('/etc/group', gid),
  systemFolder: SYSTEM_UNITS,
  // sd_booted(3)
  isSystemdRunning: existsSync('/run/systemd/system'),
  systemctl,
};

function realPath(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const parent = dirname(path);
  return parent === path ? path : join(realPath(parent), basename(path));
}

/** Users that only a directory service knows go by their number, which systemd takes as well. */
function nameIn(file: string, id: number): string {
  const fields = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  return fields.find(([, , number]) => number === String(id))?.[0] ?? String(id);
}

function systemctl(words: readonly string[]): Promise<SystemctlResult> {
  return new Promise((resolve) => {
    execFile('systemctl', words, { timeout: SYSTEMCTL_TIMEOUT_MS }, (error, _stdout, stderr) => {
      const exitCode = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ exitCode, text: stderr || (error?.message ?? '') });
    });
  });
}
