import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { pickDatabase } from '../../config.js';
import { statusDeps, thisMachine } from '../../daemon/this-machine.js';
import { dryRunFlag } from '../../global-flags.js';
import type { ResolveReport } from '../../operations/conflict-report.js';
import { isServed } from '../../operations/find-any-daemon.js';
import { expandConflictIds } from '../../operations/read-conflicts.js';
import { exitCodeOf, resolveConflicts } from '../../operations/resolve-conflicts.js';
import { NOT_SERVED, renderResolutions } from '../../rendering/render-resolutions.js';

export default class ConflictsUndo extends BaseCommand<typeof ConflictsUndo> {
  static override summary = 'Take the latest decision about a conflict back.';
  static override description =
    'The rows become what they were before it, and the conflict is open or settled by its strategy again. Where only the ' +
    'strategy has decided, this takes the other side. Rows written since are left alone (exit 1), unless --force.';
  static override examples = ['<%= config.bin %> conflicts undo 3f2a9c01'];
  static override args = { id: Args.string({ required: true, description: 'a conflict’s id, or its first digits' }) };
  static override flags = {
    force: Flags.boolean({ summary: 'Write over what has been written since.' }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<ResolveReport> {
    const { flags } = this;
    const config = this.loadConfig();
    const database = pickDatabase(config, flags.database);
    const ids = expandConflictIds(database, [this.args.id], thisMachine.files);
    const manner = {
      force: Boolean(flags.force),
      leaveDecided: false,
      dryRun: Boolean(flags['dry-run']),
      command: this.commandLine,
    };
    const report = await resolveConflicts(
      database,
      ids,
      { decision: 'undo', ...manner },
      {
        ...thisMachine,
        limits: config.limits,
        onProgress: () => {},
        signal: this.signal,
      },
    );
    this.log(renderResolutions(report, true, this.paint));
    if (report.resolved > 0 && !report.dryRun && !(await isServed(database, statusDeps(this.config.version))))
      this.note(NOT_SERVED);
    process.exitCode = exitCodeOf(report);
    return report;
  }
}
