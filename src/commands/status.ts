import { setTimeout as delay } from 'node:timers/promises';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { pickDatabase } from '../config.js';
import { statusDeps, thisMachine } from '../daemon/this-machine.js';
import { EXIT } from '../errors.js';
import { readStatus } from '../operations/read-status.js';
import type { NodeStatus } from '../operations/status-report.js';
import { renderStatus } from '../rendering/render-status.js';

/** Time between two looks of --watch. */
const WATCH_MS = 2_000;
const CLEAR_SCREEN = '\u001b[H\u001b[2J\u001b[3J';

export default class Status extends BaseCommand<typeof Status> {
  static override summary = 'Show how this node is doing, and what to type if it is not well.';
  static override description =
    'With a daemon its figures, without one what the files tell. --check exits 1 when the node is unhealthy. ' +
    'With --watch and --json: one document a line.';
  static override examples = ['<%= config.bin %> status', '<%= config.bin %> status --check --json'];
  static override flags = {
    check: Flags.boolean({ summary: 'Exit 1 when the node is unhealthy.' }),
    watch: Flags.boolean({ summary: 'Look again every two seconds.', exclusive: ['check'] }),
  };

  async run(): Promise<NodeStatus | undefined> {
    if (this.flags.watch) return this.#watch();
    const status = await this.#read();
    this.log(renderStatus(status, { paint: this.paint, now: thisMachine.now() }));
    if (this.flags.check && !status.healthy) process.exitCode = EXIT.no;
    return status;
  }

  /** The configuration is read anew each time: it may have changed. */
  #read(): Promise<NodeStatus> {
    const config = this.loadConfig();
    const databases =
      this.flags.database === undefined ? config.databases : [pickDatabase(config, this.flags.database)];
    return readStatus(config, databases, statusDeps(this.config.version));
  }

  async #watch(): Promise<undefined> {
    const { signal } = this;
    for (;;) {
      const status = await this.#read();
      const text = renderStatus(status, { paint: this.paint, now: thisMachine.now() });
      if (this.flags.json) this.logLine(status);
      else this.log(process.stdout.isTTY ? CLEAR_SCREEN + text : `${text}\n`);
      await delay(WATCH_MS, undefined, { signal });
    }
  }
}
