import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { statusDeps } from '../../daemon/this-machine.js';
import { type PeerChange, pausePeer } from '../../operations/change-peers.js';
import { renderUnrecorded } from '../../rendering/render-peers.js';

export default class PeersPause extends BaseCommand<typeof PeersPause> {
  static override summary = 'Exchange nothing with a peer until it is resumed.';
  static override description =
    'Both ways, also over a connection that the peer has made; it stays so when the daemon restarts. Changes wait.';
  static override examples = ['<%= config.bin %> peers pause lyon'];
  static override args = { name: Args.string({ required: true, description: 'the peer’s name' }) };

  async run(): Promise<PeerChange> {
    const change = await pausePeer(
      this.loadConfig(),
      this.args.name,
      true,
      this.commandLine,
      statusDeps(this.config.version),
    );
    this.log(`${change.peer} ${change.changed ? 'is paused' : 'was paused already'}`);
    for (const line of renderUnrecorded(change)) this.note(line);
    return change;
  }
}
