import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { databaseFlag, pickDatabase } from '../../config.js';
import { thisMachine } from '../../daemon/this-machine.js';
import type { ConflictDetail } from '../../operations/conflict-report.js';
import { showConflict } from '../../operations/read-conflicts.js';
import { renderConflict } from '../../rendering/render-conflict.js';

export default class ConflictsShow extends BaseCommand<typeof ConflictsShow> {
  static override summary = 'Show one conflict: both sides, what is there now, and what to type.';
  static override description = 'The first four digits of an ID, or more, will do.';
  static override examples = ['<%= config.bin %> conflicts show 3f2a9c01'];
  static override args = { id: Args.string({ required: true, description: 'a conflict’s id' }) };

  async run(): Promise<ConflictDetail> {
    const config = this.loadConfig();
    const database = pickDatabase(config, this.flags.database);
    const conflict = showConflict(database, this.args.id, thisMachine.files);
    this.log(renderConflict(conflict, { paint: this.paint, target: databaseFlag(config, database) }));
    return conflict;
  }
}
