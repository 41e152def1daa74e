import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { changeRulesDeps } from '../../daemon/rules-once.js';
import { SqlsyncError } from '../../errors.js';
import { dryRunFlag } from '../../global-flags.js';
import { type RuleReport, setRule } from '../../operations/change-rules.js';
import { renderChangedRule, renderWaiting } from '../../rendering/render-rules.js';
import { KEY_COLLISIONS, ORPHAN_RULES, type RuleRequest, STRATEGIES } from '../../replication/rule-request.js';

export default class RulesSet extends BaseCommand<typeof RulesSet> {
  static override summary = 'Set how conflicts in a table are settled, on every member at once.';
  static override description =
    'Every member must be at hand: exit 69 names who is missing, and nothing is changed. Exit 75: they did not come to ' +
    'have the same, because too much is written. For a moment nobody applies anything; applications go on writing.';
  static override examples = [
    '<%= config.bin %> rules set product lww',
    '<%= config.bin %> rules set stock version --order paris,lyon',
    "<%= config.bin %> rules set '*' --key-collision rekey",
    '<%= config.bin %> rules set order_line --orphan restore-parent --dry-run',
  ];
  static override args = {
    table: Args.string({ required: true, description: 'a table that replicates, or * for all without a rule' }),
    strategy: Args.string({ description: 'merge, lww, version or manual', options: [...STRATEGIES] }),
  };
  static override flags = {
    order: Flags.string({ summary: 'With version: nodes, the first wins ties.', helpValue: 'A,B' }),
    'key-collision': Flags.option({ options: KEY_COLLISIONS })({
      summary: 'When two nodes gave one key to two rows: keep the later one, or give the other a new key.',
    }),
    orphan: Flags.option({ options: ORPHAN_RULES })({
      summary: 'What becomes of a row whose parent was deleted on another node.',
    }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<RuleReport> {
    const config = this.loadConfig();
    const database = pickDatabase(config, this.flags.database);
    const request = { rule: this.#rule(), dryRun: Boolean(this.flags['dry-run']), command: this.commandLine };
    const report = await setRule(database, request, changeRulesDeps(config, this.signal));
    this.log(renderChangedRule(report));
    const waiting = renderWaiting(report);
    if (waiting !== null) this.note(waiting);
    return report;
  }

  #rule(): RuleRequest {
    const { args, flags } = this;
    const strategy = (args.strategy ?? null) as RuleRequest['strategy'];
    const nodeOrder = flags.order?.split(',').map((name) => name.trim()) ?? null;
    const keyCollision = flags['key-collision'] ?? null;
    const orphan = flags.orphan ?? null;
    if ([strategy, nodeOrder, keyCollision, orphan].every((asked) => asked === null)) {
      throw new SqlsyncError('usage', 'there is nothing to set', {
        hint: 'Name a strategy, --order, --key-collision or --orphan; `sqlsync rules` shows what is set.',
      });
    }
    return { table: args.table, strategy, nodeOrder, keyCollision, orphan };
  }
}
