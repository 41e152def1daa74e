/** What `rules include` and `rules exclude` have in common: everything but what they are about. */
import { BaseCommand } from '../base-command.js';
import { pickDatabase } from '../config.js';
import { changeRulesDeps } from '../daemon/rules-once.js';
import { dryRunFlag } from '../global-flags.js';
import { type InclusionReport, includeTables } from '../operations/include-tables.js';
import { renderInclusion, renderWaiting } from '../rendering/render-rules.js';

export const inclusionFlags = { 'dry-run': dryRunFlag };

type Glob = { readonly glob: string };

export abstract class InclusionCommand extends BaseCommand<typeof BaseCommand> {
  /** Are the tables taken in, or left out? */
  protected abstract readonly included: boolean;

  async run(): Promise<InclusionReport> {
    const config = this.loadConfig();
    const { database: named, 'dry-run': dryRun } = this.flags as typeof this.flags & { readonly 'dry-run'?: boolean };
    const database = pickDatabase(config, named);
    const tables = { glob: (this.args as unknown as Glob).glob, included: this.included };
    const change = { tables, dryRun: Boolean(dryRun), command: this.commandLine };
    const report = await includeTables(database, change, changeRulesDeps(config, this.signal));
    this.log(renderInclusion(report));
    for (const warning of report.warnings) this.note(`warning: ${warning}`);
    const waiting = renderWaiting(report);
    if (waiting !== null) this.note(waiting);
    return report;
  }
}
