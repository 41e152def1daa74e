import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { changePeersDeps } from '../../daemon/this-machine.js';
import { type PeerChange, removePeer } from '../../operations/change-peers.js';
import { renderUnrecorded } from '../../rendering/render-peers.js';

export default class PeersRemove extends BaseCommand<typeof PeersRemove> {
  static override summary = 'Do not dial a peer any more.';
  static override description =
    'Takes the peer out of the configuration. It stays a member of the data set, and may still dial this node.';
  static override examples = ['<%= config.bin %> peers remove lyon'];
  static override args = { name: Args.string({ required: true, description: 'the peer’s name' }) };

  async run(): Promise<PeerChange> {
    const change = await removePeer(this.loadConfig(), this.args.name, this.commandLine, changePeersDeps);
    this.log(`${change.peer} removed`);
    for (const line of renderUnrecorded(change)) this.note(line);
    return change;
  }
}
