import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { statusDeps } from '../../daemon/this-machine.js';
import { listRules, type RulesReport } from '../../operations/list-rules.js';
import { renderRules } from '../../rendering/render-rules.js';

export default class Rules extends BaseCommand<typeof Rules> {
  static override summary = 'Show how conflicts are settled, table by table, and which members have adopted that.';
  static override description =
    'Rules belong to the data set, not to a node: every member goes by the same. `*` stands for all tables without a rule ' +
    'of their own. With the daemon: what it has heard of each member up to now.';
  static override examples = ['<%= config.bin %> rules', '<%= config.bin %> rules --json'];

  async run(): Promise<RulesReport> {
    const database = pickDatabase(this.loadConfig(), this.flags.database);
    const report = await listRules(database, statusDeps(this.config.version));
    this.log(renderRules(report, this.paint));
    return report;
  }
}
