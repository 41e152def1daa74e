import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { changeRulesDeps } from '../../daemon/rules-once.js';
import { dryRunFlag } from '../../global-flags.js';
import { type InclusionReport, includeTables } from '../../operations/include-tables.js';
import { renderInclusion, renderWaiting } from '../../rendering/render-rules.js';

export default class RulesExclude extends BaseCommand<typeof RulesExclude> {
  static override summary = 'Leave tables out of replication, on every member at once.';
  static override description =
    'Nothing more of them is captured or taken on any node; the rows stay where they are. Waits until all that was written to ' +
    'them has reached every member: exit 75 when it did not. Every member must be at hand: exit 69 names who is missing, and ' +
    'nothing is changed. A table’s own name comes before patterns, and longer patterns before shorter ones.';
  static override examples = [
    `<%= config.bin %> rules exclude session`,
    `<%= config.bin %> rules exclude 'cache_*' --dry-run`,
  ];
  static override args = {
    glob: Args.string({
      required: true,
      description: 'a table, or a pattern with * and ?, also of tables that come later',
    }),
  };
  static override flags = { 'dry-run': dryRunFlag };

  async run(): Promise<InclusionReport> {
    const config = this.loadConfig();
    const database = pickDatabase(config, this.flags.database);
    const tables = { glob: this.args.glob, included: false };
    const change = { tables, dryRun: Boolean(this.flags['dry-run']), command: this.commandLine };
    const report = await includeTables(database, change, changeRulesDeps(config, this.signal));
    this.log(renderInclusion(report));
    for (const warning of report.warnings) this.note(`warning: ${warning}`);
    const waiting = renderWaiting(report);
    if (waiting !== null) this.note(waiting);
    return report;
  }
}
