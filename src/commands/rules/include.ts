import { Args } from '@oclif/core';
import { InclusionCommand, inclusionFlags } from '../../command-line/inclusion-command.js';

export default class RulesInclude extends InclusionCommand {
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
  static override flags = inclusionFlags;

  protected override readonly included = true;
}
