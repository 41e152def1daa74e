import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { changeRulesDeps } from '../../daemon/rules-once.js';
import { type RecoveryReport, recoverRules } from '../../operations/change-rules.js';
import { renderRecovery } from '../../rendering/render-rules.js';

export default class RulesRecover extends BaseCommand<typeof RulesRecover> {
  static override summary = 'End a change of the rules whose coordinator is gone for good.';
  static override description =
    'For members that wait for the outcome of a change while the node that began it is lost: first `sqlsync members ' +
    'remove` it, then type this on one of those that are left, with all of them at hand. If one of them had heard that ' +
    'the change was decided, all adopt it; else it is given up.';
  static override examples = ['<%= config.bin %> rules recover'];

  async run(): Promise<RecoveryReport> {
    const config = this.loadConfig();
    const database = pickDatabase(config, this.flags.database);
    const report = await recoverRules(database, this.commandLine, changeRulesDeps(config, this.signal));
    this.log(renderRecovery(report));
    return report;
  }
}
