/**
 * A daemon in a process of its own, for what only processes do: signals, dying, and hanging. Settings come as JSON; with
 * HANG=apply no pause between two steps of an apply ever ends.
 */
import { pino } from 'pino';
import { LockedFile } from '../../src/daemon/file/locked-file.js';
import { runDaemon } from '../../src/daemon/run-daemon.js';
import { SqlsyncError } from '../../src/errors.js';

const settings = JSON.parse(process.argv[2] ?? '');
const logger = pino({ level: 'info' }, process.stderr);
const reloads: unknown[] = [];

if (process.env.HANG === 'apply') LockedFile.prototype.gap = () => new Promise<void>(() => {});

await runDaemon({
  // Every further reading fails: that is what a bad file does on SIGHUP.
  readSettings: () => {
    if (reloads.push(null) > 1) throw new SqlsyncError('config-invalid', 'a bad file');
    return settings;
  },
  logger,
  environment: process.env,
  onStarted: ({ address }) => console.log(address?.port ?? 0),
});
