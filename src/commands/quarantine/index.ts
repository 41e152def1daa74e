import { Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { thisMachine } from '../../daemon/this-machine.js';
import { pageFlags } from '../../list-flags.js';
import { listQuarantine, type QuarantinedChange } from '../../operations/list-quarantine.js';
import type { Page } from '../../page.js';
import { renderMore } from '../../rendering/render-more.js';
import { renderQuarantine } from '../../rendering/render-quarantine.js';

const NEXT = 'They go in by themselves when the schema allows it. Else: sqlsync quarantine retry ID, or discard ID';

export default class Quarantine extends BaseCommand<typeof Quarantine> {
  static override summary = 'List changes of other nodes that could not be applied here.';
  static override description =
    'A constraint of a table here refuses them. They are kept, shipped on to others, and go in by themselves when the ' +
    'schema allows it or a newer change of the row does. An id stands for one version of a row.';
  static override examples = ['<%= config.bin %> quarantine', '<%= config.bin %> quarantine --table sale --json'];
  static override flags = {
    table: Flags.string({ summary: 'Of this table only.', helpValue: 'TABLE' }),
    ...pageFlags,
  };

  async run(): Promise<Page<QuarantinedChange>> {
    const { table, cursor, limit, database } = this.flags;
    const page = listQuarantine(pickDatabase(this.loadConfig(), database), { table, cursor, limit }, thisMachine);
    this.log(renderQuarantine(page, { paint: this.paint, now: thisMachine.now() }));
    for (const line of renderMore(page)) this.note(line);
    if (page.total > 0) this.note(NEXT);
    return page;
  }
}
