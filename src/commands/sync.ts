import { Args } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { readDaemonSettings } from '../daemon/daemon-settings.js';
import { createLogger } from '../daemon/logger.js';
import { syncOnce } from '../daemon/sync-once.js';
import { findDaemon, thisMachine } from '../daemon/this-machine.js';
import type { SyncProgress, SyncResult } from '../operations/running-daemon.js';
import { syncFailure, syncPeers } from '../operations/sync-peers.js';
import { ProgressLine } from '../progress-line.js';
import { renderSync, toProgress } from '../rendering/render-sync.js';

export default class Sync extends BaseCommand<typeof Sync> {
  static override summary = 'Exchange changes with peers now.';
  static override description =
    'Asks the daemon if it runs, else does it by itself. Without PEER: with all peers. Exits 69 if one of several could ' +
    'not be reached, after it has been tried with each; for a single peer, with the code of what went wrong.';
  static override examples = ['<%= config.bin %> sync', '<%= config.bin %> sync lyon nice --timeout 30s'];
  static override args = { peer: Args.string({ description: 'name of a peer; several can be given' }) };
  static override strict = false;

  async run(): Promise<{ items: SyncResult[]; total: number; nextCursor: null }> {
    const { flags, signal } = this;
    const config = this.loadConfig();
    const line = new ProgressLine(flags.quiet || flags.json ? null : process.stderr);
    const logger = createLogger({ level: 'silent', format: 'json', destination: process.stderr, environment: {} });
    const onProgress = (progress: SyncProgress) => line.update(toProgress(progress));
    const items = await syncPeers(
      config,
      { database: flags.database, peers: this.operands },
      {
        ...thisMachine,
        findDaemon,
        syncOnce: (which) => syncOnce(readDaemonSettings(config), { which, logger, onProgress, signal }),
        onProgress,
        signal,
      },
    ).finally(() => line.clear());
    this.log(renderSync(items, this.paint));
    const failure = syncFailure(items);
    if (failure !== null) {
      process.exitCode = failure.exitCode;
      this.note(`${failure.message}${failure.hint === null ? '' : `\n  ${this.withConfig(failure.hint)}`}`);
    }
    return { items, total: items.length, nextCursor: null };
  }
}
