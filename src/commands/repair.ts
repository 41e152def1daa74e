import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { verifyDeps } from '../daemon/compare-once.js';
import { thisMachine } from '../daemon/this-machine.js';
import { dryRunFlag, yesFlag } from '../global-flags.js';
import { repairEnding, repairPeer } from '../operations/repair-peer.js';
import type { SyncProgress } from '../operations/running-daemon.js';
import type { RepairReport, RepairSide } from '../operations/verify-report.js';
import { ProgressLine } from '../progress-line.js';
import { toProgress } from '../rendering/render-sync.js';
import { renderRepair } from '../rendering/render-verify.js';

export default class Repair extends BaseCommand<typeof Repair> {
  static override summary = 'Make this node and a peer agree where their rows differ.';
  static override description =
    'Compares the two as `verify` does; rows that differ are written again by the side whose rows are to be used, so that ' +
    'every member takes them. What they replace is kept in conflict records: `sqlsync conflicts` shows it.';
  static override examples = [
    '<%= config.bin %> repair lyon --use there --dry-run',
    '<%= config.bin %> repair lyon --table product --use here --yes',
  ];
  static override args = { peer: Args.string({ required: true, description: 'the peer’s name' }) };
  static override flags = {
    table: Flags.string({ summary: 'Repair only this table.', helpValue: 'T' }),
    use: Flags.string({ summary: 'Whose rows are right.', options: ['here', 'there'], required: true }),
    'dry-run': dryRunFlag,
    yes: yesFlag,
  };

  async run(): Promise<RepairReport> {
    const { flags, args, signal } = this;
    const config = this.loadConfig();
    const line = new ProgressLine(flags.quiet || flags.json ? null : process.stderr);
    const onProgress = (progress: SyncProgress) => line.update(toProgress(progress));
    const confirm = (question: string) => {
      line.clear();
      return this.confirm(question);
    };
    const deps = { ...thisMachine, ...verifyDeps(config, { onProgress, signal }), confirm };
    const use = flags.use as RepairSide;
    const command = ['repair', args.peer, ...(flags.table ? ['--table', flags.table] : []), '--use', use].join(' ');
    const { database, table } = flags;
    const request = { database, peer: args.peer, table, use, dryRun: Boolean(flags['dry-run']), command };
    const report = await repairPeer(config, request, deps).finally(() => line.clear());
    this.log(renderRepair(report, this.paint));
    const { exitCode, note } = repairEnding(report);
    process.exitCode = exitCode;
    if (note !== null) this.note(note);
    return report;
  }
}
