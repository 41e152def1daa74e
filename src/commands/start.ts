import { BaseCommand } from '../base-command.js';
import { ConfiguredHeartbeat } from '../daemon/configured-heartbeat.js';
import type { Daemon } from '../daemon/daemon.js';
import { readDaemonSettings } from '../daemon/daemon-settings.js';
import { createStderrLogger } from '../daemon/logger.js';
import { runDaemon } from '../daemon/run-daemon.js';
import { statusDeps, thisMachine } from '../daemon/this-machine.js';
import { formatListenAddress } from '../listen-address.js';
import { assertInitialised } from '../operations/assert-initialised.js';
import { readStatus } from '../operations/read-status.js';

export default class Start extends BaseCommand<typeof Start> {
  static override summary = 'Run the daemon in the foreground.';
  static override description =
    'Serves every database of the configuration: records what applications write, and exchanges it with the peers. It ' +
    'says on stdout when it serves, and logs to stderr. SIGTERM and SIGINT drain and exit 0; SIGHUP reads the ' +
    'configuration anew, and a wrong file changes nothing. A second daemon for a file exits 75.';
  static override examples = ['<%= config.bin %> start', '<%= config.bin %> start -c /etc/sqlsync/sqlsync.yml'];
  static override drainsOnSignals = true;
  static override needsOutput = false;

  async run(): Promise<void> {
    // What the daemon goes by: a file with a mistake is no reason to raise an alarm.
    let config = this.loadConfig();
    const { log, databases } = config;
    assertInitialised(databases, thisMachine.files);
    const level = this.flags.verbose ? 'debug' : log.level;
    const logger = createStderrLogger({
      level: this.flags.quiet ? 'error' : level,
      format: log.format,
      environment: process.env,
    });
    const readNow = () => readStatus(config, config.databases, statusDeps(this.config.version));
    const heartbeat = new ConfiguredHeartbeat({ readStatus: readNow, logger });
    await runDaemon({
      readSettings: () => {
        const read = this.loadConfig();
        ConfiguredHeartbeat.check(read.health);
        const settings = readDaemonSettings(read);
        config = read;
        return settings;
      },
      logger,
      environment: process.env,
      onStarted: (daemon) => {
        heartbeat.take(config.health);
        this.#tellStarted(daemon);
      },
      onReloaded: () => heartbeat.take(config.health),
    }).finally(() => heartbeat.stop());
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
