import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { changeRulesDeps } from '../../daemon/rules-once.js';
import { dryRunFlag } from '../../global-flags.js';
import { type InclusionReport, includeTables } from '../../operations/include-tables.js';
import { renderInclusion, renderWaiting } from '../../rendering/render-rules.js';

export default class RulesInclude extends BaseCommand<typeof RulesInclude> {
  static override summary = 'Take tables into replication, on every member at once.';
  static override description =
    'Each member takes in its own table of that name, with the rows it has: rows that are the same on several are no ' +
    'conflict, rows that differ are settled by the rule of the table and recorded. Every member must be at hand: exit 69 ' +
    'names who is missing, and nothing is changed.';
  static override examples = [
    `<%= config.bin %> rules include product_note`,
    `<%= config.bin %> rules include 'cache_*' --dry-run`,
  ];
  static override args = {
    glob: Args.string({
      required: true,
      description: 'a table, or a pattern with * and ?; tables of migration tools by their own name only',
    }),
  };
  static override flags = { 'dry-run': dryRunFlag };

  async run(): Promise<InclusionReport> {
    const config = this.loadConfig();
    const database = pickDatabase(config, this.flags.database);
    const tables = { glob: this.args.glob, included: true };
    const change = { tables, dryRun: Boolean(this.flags['dry-run']), command: this.commandLine };
    const report = await includeTables(database, change, changeRulesDeps(config, this.signal));
    this.log(renderInclusion(report));
    for (const warning of report.warnings) this.note(`warning: ${warning}`);
    const waiting = renderWaiting(report);
    if (waiting !== null) this.note(waiting);
    return report;
  }
}
