/** A daemon in a process of its own, for what only processes do: signals, and dying. Settings come as JSON. */
import { pino } from 'pino';
import { runDaemon } from '../../src/daemon/run-daemon.js';
import { SqlsyncError } from '../../src/errors.js';

const settings = JSON.parse(process.argv[2] ?? '');
const logger = pino({ level: 'info' }, process.stderr);
const reloads: unknown[] = [];

await runDaemon({
  // Every further reading fails: that is what a bad file does on SIGHUP.
  readSettings: () => {
    if (reloads.push(null) > 1) throw new SqlsyncError('config-invalid', 'a bad file');
    return settings;
  },
  logger,
  onStarted: ({ address }) => console.log(address?.port ?? 0),
});
