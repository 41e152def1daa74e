import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { peerSnapshots } from '../daemon/peer-snapshots.js';
import { memberKeys, thisMachine } from '../daemon/this-machine.js';
import { dryRunFlag, yesFlag } from '../global-flags.js';
import { planRejoin, type RejoinPlan, type RejoinReport, rejoinDatabase } from '../operations/rejoin-database.js';
import { ProgressLine } from '../progress-line.js';
import { describeUnsent, renderRejoin } from '../rendering/render-rejoin.js';

export default class Rejoin extends BaseCommand<typeof Rejoin> {
  static override summary = 'Seed this node afresh from a peer, and keep what only it has.';
  static override description =
    'For a node that is stale, was removed from the data set, was restored from a backup, or has parted from the others. ' +
    'A peer makes it a member anew and sends a snapshot; changes that only this node has are written again on that, and ' +
    'what collides is kept in conflict records. The file that was there is kept beside the new one. Stop the daemon and ' +
    'the application first. A rejoin that was cut short can be repeated.';
  static override examples = ['<%= config.bin %> rejoin --dry-run', '<%= config.bin %> rejoin paris'];
  static override args = {
    peer: Args.string({ description: 'a peer of the configuration; else the first that answers' }),
  };
  static override flags = {
    'discard-local': Flags.boolean({ summary: 'Keep nothing of this node’s own, but in the file that is put aside.' }),
    'dry-run': dryRunFlag,
    yes: yesFlag,
  };

  async run(): Promise<RejoinPlan | RejoinReport> {
    const { flags } = this;
    const config = this.loadConfig();
    const request = { database: flags.database, peer: this.args.peer, discardLocal: flags['discard-local'] };
    const plan = planRejoin(config, request, thisMachine);
    if (flags['dry-run']) {
      this.log(`${plan.path} would be seeded by ${plan.peers.join(' or ')}: ${describeUnsent(plan)}`);
      return plan;
    }
    if (request.discardLocal) await this.confirm(`Discard what only ${plan.path} has: ${describeUnsent(plan)}?`);
    const line = new ProgressLine(flags.quiet || flags.json ? null : process.stderr);
    const snapshots = peerSnapshots({
      config,
      signal: this.signal,
      onProgress: ({ bytes, bytesTotal }) =>
        line.update({ label: 'receiving', unit: 'bytes', done: bytes, total: bytesTotal }),
    });
    const report = await rejoinDatabase(config, request, { ...thisMachine, snapshots, keys: memberKeys }).finally(() =>
      line.clear(),
    );
    this.log(renderRejoin(report));
    this.note('next: sqlsync start');
    return report;
  }
}
