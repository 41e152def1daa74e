import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { statusDeps } from '../../daemon/this-machine.js';
import { type PeerChange, pausePeer } from '../../operations/change-peers.js';
import { renderUnrecorded } from '../../rendering/render-peers.js';

export default class PeersResume extends BaseCommand<typeof PeersResume> {
  static override summary = 'Exchange with a paused peer again.';
  static override description = 'What has waited crosses as soon as the two meet.';
  static override examples = ['<%= config.bin %> peers resume lyon'];
  static override args = { name: Args.string({ required: true, description: 'the peer’s name' }) };

  async run(): Promise<PeerChange> {
    const change = await pausePeer(
      this.loadConfig(),
      this.args.name,
      false,
      this.commandLine,
      statusDeps(this.config.version),
    );
    this.log(`${change.peer} ${change.changed ? 'goes on' : 'was not paused'}`);
    for (const line of renderUnrecorded(change)) this.note(line);
    return change;
  }
}
