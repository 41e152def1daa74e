import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { verifyDeps } from '../daemon/compare-once.js';
import { verifyEnding, verifyNodes } from '../operations/verify-nodes.js';
import type { VerifyReport } from '../operations/verify-report.js';
import { ProgressLine } from '../progress-line.js';
import { toProgress } from '../rendering/render-sync.js';
import { renderVerify } from '../rendering/render-verify.js';

export default class Verify extends BaseCommand<typeof Verify> {
  static override summary = 'Prove row by row that nodes hold the same data.';
  static override description =
    'Compares every value and storage class of the replicated tables; what is equal is not sent. Writes on their way are ' +
    'waited for. Exits 0 when the nodes are equal, 1 when they differ, 75 when it is not known, 69 when one of several ' +
    'peers could not be compared. A gap of capture on this node is closed on the way.';
  static override examples = ['<%= config.bin %> verify', '<%= config.bin %> verify lyon --table product --json'];
  static override args = { peer: Args.string({ description: 'name of a peer; several can be given' }) };
  static override strict = false;
  static override flags = { table: Flags.string({ summary: 'Compare only this table.', helpValue: 'T' }) };

  async run(): Promise<VerifyReport> {
    const { flags, signal } = this;
    const config = this.loadConfig();
    const line = new ProgressLine(flags.quiet || flags.json ? null : process.stderr);
    const deps = verifyDeps(config, { onProgress: (progress) => line.update(toProgress(progress)), signal });
    const request = { database: flags.database, peers: this.operands, table: flags.table };
    const report = await verifyNodes(config, request, deps).finally(() => line.clear());
    this.log(renderVerify(report, this.paint));
    const { exitCode, note } = verifyEnding(report);
    process.exitCode = exitCode;
    if (note !== null) this.note(note);
    return report;
  }
}
