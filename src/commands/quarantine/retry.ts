import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { decideQuarantineDeps, thisMachine } from '../../daemon/this-machine.js';
import { EXIT } from '../../errors.js';
import { dryRunFlag } from '../../global-flags.js';
import { decideQuarantine, type QuarantineReport } from '../../operations/decide-quarantine.js';
import { type ChosenChange, chooseQuarantined } from '../../operations/list-quarantine.js';
import { type Page, wholeList } from '../../page.js';
import { renderChosen, renderDecisions } from '../../rendering/render-quarantine.js';

export default class QuarantineRetry extends BaseCommand<typeof QuarantineRetry> {
  static override summary = 'Try quarantined changes again.';
  static override description =
    'For when what was in their way is gone and the schema has not changed: after a change of the schema they are tried ' +
    'by themselves. Through the daemon if it runs, else by itself. Exits 1 when one of them is refused again.';
  static override examples = [
    '<%= config.bin %> quarantine retry 3f9a2c',
    '<%= config.bin %> quarantine retry --all --table sale',
  ];
  static override args = { id: Args.string({ description: 'id of a change, or its beginning; several can be given' }) };
  static override strict = false;
  static override flags = {
    all: Flags.boolean({ summary: 'All that wait.' }),
    table: Flags.string({ summary: 'With --all: of this table only.', helpValue: 'TABLE' }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<Page<QuarantineReport | ChosenChange>> {
    const { flags, operands: ids } = this;
    const config = this.loadConfig();
    const database = pickDatabase(config, flags.database);
    const changes = chooseQuarantined(database, { ids, all: flags.all, table: flags.table }, thisMachine);
    if (flags['dry-run']) {
      this.log(renderChosen(changes, 'would be tried again'));
      return wholeList(changes);
    }
    const what = { changes, command: this.commandLine };
    const reports = await decideQuarantine(database, 'retry', what, decideQuarantineDeps(config));
    this.log(renderDecisions(reports, this.paint));
    if (reports.some(({ outcome }) => outcome === 'refused')) process.exitCode = EXIT.no;
    return wholeList(reports);
  }
}
