import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { decideQuarantineDeps, thisMachine } from '../../daemon/this-machine.js';
import { EXIT } from '../../errors.js';
import { dryRunFlag, yesFlag } from '../../global-flags.js';
import { decideQuarantine, type QuarantineReport } from '../../operations/decide-quarantine.js';
import { type ChosenChange, chooseQuarantined } from '../../operations/list-quarantine.js';
import { type Page, wholeList } from '../../page.js';
import { renderCount } from '../../render-figures.js';
import { renderChosen, renderDecisions } from '../../rendering/render-quarantine.js';

export default class QuarantineDiscard extends BaseCommand<typeof QuarantineDiscard> {
  static override summary = 'Give quarantined changes up, on every node.';
  static override description =
    'The row becomes on every node what it is here, or is removed where there is none here. What is given up stays in ' +
    'the record of the operation (`operations --json`). A change that a newer one has replaced since it was listed is ' +
    'left alone: exit 1. Through the daemon if it runs, else by itself.';
  static override examples = [
    '<%= config.bin %> quarantine discard 3f9a2c',
    '<%= config.bin %> quarantine discard --all',
  ];
  static override args = { id: Args.string({ description: 'id of a change, or its beginning; several can be given' }) };
  static override strict = false;
  static override flags = {
    all: Flags.boolean({ summary: 'All that wait.' }),
    table: Flags.string({ summary: 'With --all: of this table only.', helpValue: 'TABLE' }),
    'dry-run': dryRunFlag,
    yes: yesFlag,
  };

  async run(): Promise<Page<QuarantineReport | ChosenChange>> {
    const { flags, operands: ids } = this;
    const config = this.loadConfig();
    const database = pickDatabase(config, flags.database);
    const changes = chooseQuarantined(database, { ids, all: flags.all, table: flags.table }, thisMachine);
    if (flags['dry-run'] || changes.length === 0) {
      this.log(renderChosen(changes, 'would be given up'));
      return wholeList(changes);
    }
    this.note(renderChosen(changes, 'to be given up'));
    const count = renderCount(changes.length, 'change');
    await this.confirm(`Give up ${count}? Rows become what they are on this node, on every node.`);
    const what = { changes, command: this.commandLine };
    const reports = await decideQuarantine(database, 'discard', what, decideQuarantineDeps(config));
    this.log(renderDecisions(reports, this.paint));
    if (reports.some(({ outcome }) => outcome !== 'discarded')) process.exitCode = EXIT.no;
    return wholeList(reports);
  }
}
