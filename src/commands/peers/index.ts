import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { statusDeps } from '../../daemon/this-machine.js';
import { listPeers, type PeerLinkReport } from '../../operations/list-peers.js';
import { renderPeers } from '../../rendering/render-peers.js';

export default class Peers extends BaseCommand<typeof Peers> {
  static override summary = 'List the peers of this node.';
  static override description =
    'Those that this node dials, and members of the data set that dial this node (without a URL).';
  static override examples = ['<%= config.bin %> peers', '<%= config.bin %> peers --json'];

  async run(): Promise<{ items: PeerLinkReport[]; total: number; nextCursor: null }> {
    const config = this.loadConfig();
    const { database } = this.flags;
    const databases = database === undefined ? config.databases : [pickDatabase(config, database)];
    const items = await listPeers(config, databases, statusDeps(this.config.version));
    this.log(items.length === 0 ? 'no peers' : renderPeers(items, this.paint));
    return { items, total: items.length, nextCursor: null };
  }
}
