import { Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { pickDatabase } from '../config.js';
import { thisMachine } from '../daemon/this-machine.js';
import { momentFlag, pageFlags } from '../list-flags.js';
import type { ChangeReport } from '../operations/change-report.js';
import { followChanges } from '../operations/follow-changes.js';
import { listChanges } from '../operations/list-changes.js';
import type { Page } from '../page.js';
import { renderChangeEvent, renderChanges } from '../rendering/render-changes.js';
import { renderMore } from '../rendering/render-more.js';

export default class Changes extends BaseCommand<typeof Changes> {
  static override summary = 'List what was written: when, where and what, or follow it as it happens.';
  static override description =
    'Each write of this node for as long as the change log keeps it (prune.keepLog), and of other nodes’ writes the newest ' +
    'of each row until every node has it; ask the node that wrote for more. Newest first. --follow goes on with what ' +
    'comes, in the order in which this node learns of it; with --json one document a line.';
  static override examples = [
    '<%= config.bin %> changes --since 1h',
    '<%= config.bin %> changes --table product --key \'"tea"\'',
    '<%= config.bin %> changes --follow --json',
  ];
  static override flags = {
    table: Flags.string({ summary: 'Only of this table; may be given several times.', helpValue: 'T', multiple: true }),
    key: Flags.string({
      summary: 'Only of the row with this key: its value, or an object of columns.',
      helpValue: 'JSON',
    }),
    since: momentFlag({ summary: 'Written at this time or later, or so long ago.' }),
    follow: Flags.boolean({ summary: 'Go on with what comes.', exclusive: ['cursor', 'limit'] }),
    after: Flags.string({
      summary: 'Follow on from the cursor of a change that was told before, or from an HLC.',
      helpValue: 'CURSOR',
      dependsOn: ['follow'],
      exclusive: ['since'],
    }),
    ...pageFlags,
  };

  async run(): Promise<Page<ChangeReport> | undefined> {
    const { table = [], key, since: sinceMs, cursor, limit, database } = this.flags;
    const query = { tables: table, key, sinceMs };
    const config = pickDatabase(this.loadConfig(), database);
    if (this.flags.follow) {
      const { files } = thisMachine;
      const following = { files, signal: this.signal };
      for await (const events of followChanges(config, { ...query, from: this.flags.after ?? null }, following)) {
        for (const event of events) this.#tell(event);
      }
      return undefined;
    }
    const page = listChanges(config, { ...query, cursor, limit }, thisMachine.files);
    this.log(renderChanges(page));
    for (const line of renderMore(page)) this.note(line);
    return page;
  }

  #tell(event: Parameters<typeof renderChangeEvent>[0]): void {
    const line = renderChangeEvent(event);
    if (this.flags.json) this.logLine(event);
    else if (line !== null) this.log(line);
  }
}
