import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { changePeersDeps } from '../../daemon/this-machine.js';
import { type NamedUrl, parseNamedUrl } from '../../node-flags.js';
import { addPeer, type PeerChange } from '../../operations/change-peers.js';
import { renderUnrecorded } from '../../rendering/render-peers.js';

export default class PeersAdd extends BaseCommand<typeof PeersAdd> {
  static override summary = 'Dial a peer from now on.';
  static override description =
    'Writes the peer into the configuration, or gives one that is there another URL. A daemon that runs takes it over. ' +
    'NAME is the peer’s node name.';
  static override examples = ['<%= config.bin %> peers add lyon=https://lyon.example:7420'];
  static override args = {
    peer: Args.custom<NamedUrl>({ parse: parseNamedUrl })({ required: true, description: 'NAME=URL' }),
  };

  async run(): Promise<PeerChange> {
    const change = await addPeer(this.loadConfig(), this.args.peer, this.commandLine, changePeersDeps);
    this.log(change.changed ? `${change.peer} added` : `${change.peer} is there already`);
    if (change.changed && change.pid === null) this.note('next: sqlsync start');
    for (const line of renderUnrecorded(change)) this.note(line);
    return change;
  }
}
