import type { Logger } from 'pino';
import { BaseCommand } from '../base-command.js';
import type { Daemon } from '../daemon/daemon.js';
import { readDaemonSettings } from '../daemon/daemon-settings.js';
import { Heartbeat } from '../daemon/heartbeat.js';
import { createLogger } from '../daemon/logger.js';
import { runDaemon } from '../daemon/run-daemon.js';
import { statusDeps, thisMachine } from '../daemon/this-machine.js';
import { formatListenAddress } from '../listen-address.js';
import { assertInitialised } from '../operations/assert-initialised.js';
import { readStatus } from '../operations/read-status.js';
import { readSecretUrl } from '../secrets.js';

export default class Start extends BaseCommand<typeof Start> {
  static override summary = 'Run the daemon in the foreground.';
  static override description =
    'Serves every database of the configuration: records what applications write, and exchanges it with the peers. It ' +
    'says on stdout when it serves, and logs to stderr. SIGTERM and SIGINT drain and exit 0; SIGHUP reads secrets and ' +
    'peers anew, and a wrong file changes nothing. A second daemon for a file exits 75.';
  static override examples = ['<%= config.bin %> start', '<%= config.bin %> start -c /etc/sqlsync/sqlsync.yml'];
  static override drainsOnSignals = true;

  async run(): Promise<void> {
    const { log, databases } = this.loadConfig();
    assertInitialised(databases, thisMachine.files);
    const level = this.flags.verbose ? 'debug' : log.level;
    const logger = createLogger({
      level: this.flags.quiet ? 'error' : level,
      format: log.format,
      destination: process.stderr,
      environment: process.env,
    });
    const heartbeat = this.#heartbeat(logger);
    await runDaemon({
      readSettings: () => readDaemonSettings(this.loadConfig()),
      logger,
      environment: process.env,
      onStarted: (daemon) => {
        heartbeat?.start();
        this.#tellStarted(daemon);
      },
    }).finally(() => heartbeat?.stop());
  }

  #heartbeat(logger: Logger): Heartbeat | null {
    const { heartbeatUrlFile, heartbeatEveryMs } = this.loadConfig().health;
    if (heartbeatUrlFile === null) return null;
    const readUrl = () => readSecretUrl(heartbeatUrlFile);
    readUrl();
    const readNow = () => {
      const config = this.loadConfig();
      return readStatus(config, config.databases, statusDeps(this.config.version));
    };
    return new Heartbeat({ everyMs: heartbeatEveryMs, readUrl, readStatus: readNow, logger });
  }

  #tellStarted({ address, adminAddress }: Daemon): void {
    const { node, databases } = this.loadConfig();
    const [listen, admin] = [address, adminAddress].map((at) => (at === null ? null : formatListenAddress(at)));
    const names = databases.map(({ name }) => name);
    if (this.flags.json) this.logLine({ event: 'started', node, pid: process.pid, listen, admin, databases: names });
    else this.log(`node ${node} serves ${names.join(', ')}${listen === null ? '' : `, listens on ${listen}`}`);
    if (admin !== null && !this.flags.json) this.note(`probes and metrics: http://${admin}`);
  }
}
