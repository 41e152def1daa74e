import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { statusDeps, thisMachine } from '../../daemon/this-machine.js';
import { listMembers, type MemberReport } from '../../operations/list-members.js';
import { renderMembers } from '../../rendering/render-members.js';

export default class Members extends BaseCommand<typeof Members> {
  static override summary = 'List who belongs to the data set, and what each member has acknowledged.';
  static override description =
    'History is kept until every member has acknowledged it: one that is silent holds it back until it is removed, by ' +
    'hand or after prune.peerTimeout.';
  static override examples = ['<%= config.bin %> members', '<%= config.bin %> members --json'];

  async run(): Promise<{ items: MemberReport[]; total: number; nextCursor: null }> {
    const config = this.loadConfig();
    const { database } = this.flags;
    const databases = database === undefined ? config.databases : [pickDatabase(config, database)];
    const items = await listMembers(databases, statusDeps(this.config.version));
    this.log(renderMembers(items, thisMachine.now(), this.paint));
    return { items, total: items.length, nextCursor: null };
  }
}
