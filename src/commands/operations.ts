import { BaseCommand } from '../base-command.js';
import { pickDatabase } from '../config.js';
import { thisMachine } from '../daemon/this-machine.js';
import { momentFlag, pageFlags } from '../list-flags.js';
import { listOperations, type OperationReport } from '../operations/list-operations.js';
import type { Page } from '../page.js';
import { renderMore } from '../rendering/render-more.js';
import { renderOperations } from '../rendering/render-operations.js';

export default class Operations extends BaseCommand<typeof Operations> {
  static override summary = 'List what operators did to a data set, on any node.';
  static override description =
    'Who, where, when, which command, and how it ended; newest first. It replicates, so every node lists what it has ' +
    'heard of. With --json also what each was about.';
  static override examples = ['<%= config.bin %> operations', '<%= config.bin %> operations --since 7d --json'];
  static override flags = { since: momentFlag({ summary: 'From this time on, or so long ago.' }), ...pageFlags };

  async run(): Promise<Page<OperationReport>> {
    const { since: sinceMs, cursor, limit, database } = this.flags;
    const page = listOperations(pickDatabase(this.loadConfig(), database), { sinceMs, cursor, limit }, thisMachine);
    this.log(renderOperations(page));
    for (const line of renderMore(page)) this.note(line);
    return page;
  }
}
