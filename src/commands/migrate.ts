import { constants } from 'node:os';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { ChildCommand } from '../daemon/host/child-command.js';
import { migrateDeps } from '../daemon/this-machine.js';
import { SqlsyncError } from '../errors.js';
import { dryRunFlag } from '../global-flags.js';
import { loadConfigIfAny } from '../operations/configuration-target.js';
import { migrateDatabase } from '../operations/migrate-database.js';
import type { MigrationReport } from '../operations/migration-report.js';
import { type MigrationPlan, planMigration } from '../operations/plan-migration.js';
import { ProgressLine } from '../progress-line.js';
import { renderMigration, renderMigrationPlan } from '../rendering/render-migration.js';

export default class Migrate extends BaseCommand<typeof Migrate> {
  static override summary = "Run the application's own migration on a database that replicates.";
  static override description =
    'Holds sqlsync off the file, lifts its triggers, runs COMMAND, puts the triggers back, and enters what was written in ' +
    'between as changes of this node: exactly the rows that differ, also of tables that were made anew. Exits with the ' +
    'code of COMMAND, or 128 and the number of the signal that ended it. The application may go on meanwhile. Peers get ' +
    '`migrating` until it is over. Every node runs the migration for itself: rows that a node has no room for yet wait.';
  static override examples = [
    '<%= config.bin %> migrate shop.db -- python manage.py migrate',
    "<%= config.bin %> migrate shop -- sqlite3 shop.db 'ALTER TABLE product DROP COLUMN colour'",
  ];
  static override usage = 'migrate DB [FLAGS] -- COMMAND…';
  static override args = {
    db: Args.string({ required: true, description: 'path of the SQLite file, or its configured name' }),
  };
  static override strict = false;
  static override drainsOnSignals = true;
  static override flags = {
    all: Flags.boolean({
      summary: 'Compare every table, also those that nothing was seen to write to: finds writes past all triggers.',
    }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<MigrationReport | MigrationPlan> {
    const command = this.#command();
    const { flags, signal } = this;
    const config = loadConfigIfAny({ file: flags.config });
    const deps = migrateDeps(config);
    const plan = planMigration(this.args.db, config, deps.files);
    if (flags['dry-run']) {
      this.log(renderMigrationPlan(plan, command));
      return plan;
    }
    const child = new ChildCommand({ signal, quietStdout: flags.json });
    const line = new ProgressLine(flags.quiet || flags.json ? null : process.stderr);
    try {
      const report = await migrateDatabase(
        { ...plan, command, all: flags.all },
        {
          ...deps,
          hold: () => deps.hold(plan),
          run: (words) => child.run(words),
          onPhase: (phase) => this.detail(phase),
          onProgress: (table, rows) =>
            line.update({ label: `entering changes of ${table}`, unit: 'rows', done: rows, total: null }),
        },
      ).finally(() => line.clear());
      this.note(renderMigration(report));
      process.exitCode = exitCodeOf(report);
      return report;
    } finally {
      child.close();
    }
  }

  /** What follows `--`, which has to be there: else flags of the command would be taken for ours. */
  #command(): readonly string[] {
    const end = this.argv.indexOf('--');
    const command = end < 0 ? [] : this.argv.slice(end + 1);
    if (command.length > 0 && this.operands.length === command.length + 1) return command;
    throw new SqlsyncError('usage', 'name one database, then the command to run after --', {
      hint: 'sqlsync migrate shop.db -- npx prisma migrate deploy',
    });
  }
}

/** As a shell gives it. */
function exitCodeOf({ exitCode, signal }: MigrationReport): number {
  if (exitCode !== null) return exitCode;
  return 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}
