import { Args } from '@oclif/core';
import { InclusionCommand, inclusionFlags } from '../../command-line/inclusion-command.js';

export default class RulesExclude extends InclusionCommand {
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
  static override flags = inclusionFlags;

  protected override readonly included = false;
}
