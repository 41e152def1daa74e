import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import { thisMachine } from '../daemon/this-machine.js';
import { dryRunFlag, yesFlag } from '../global-flags.js';
import { loadConfigIfAny } from '../operations/configuration-target.js';
import { planUninstall, type UninstallReport, uninstallDatabase } from '../operations/uninstall-database.js';
import { renderAside } from '../rendering/render-uninstall.js';

export default class Uninstall extends BaseCommand<typeof Uninstall> {
  static override summary = 'Take sqlsync out of a database.';
  static override description =
    'Removes every trigger and table of sqlsync, so that the schema is what it was, the folder beside the file, and the ' +
    'database’s entry in the configuration. The application’s rows stay. Changes that no other node has yet, and rows ' +
    'that are in no table of the application yet: exit 77, unless --force, which says what is lost. The daemon must not ' +
    'run. Other nodes are not told.';
  static override examples = ['<%= config.bin %> uninstall shop.db', '<%= config.bin %> uninstall shop.db --yes'];
  static override args = {
    db: Args.string({ required: true, description: 'path of the SQLite file, or its configured name' }),
  };
  static override flags = {
    force: Flags.boolean({
      summary: 'Even if changes have not reached every other node, or rows wait outside their tables.',
    }),
    'dry-run': dryRunFlag,
    yes: yesFlag,
  };

  async run(): Promise<UninstallReport> {
    const config = loadConfigIfAny({ file: this.flags.config });
    const target = planUninstall(this.args.db, this.flags.force, config, thisMachine);
    for (const line of renderAside(target)) this.note(line);
    if (this.flags['dry-run']) {
      this.log(`would take sqlsync out of ${target.path}`);
      return { ...target, uninstalled: false, configFile: target.database === null ? null : (config?.file ?? null) };
    }
    await this.confirm(`Take sqlsync out of ${target.path}? It will not replicate any more.`);
    const report = uninstallDatabase(target, config, thisMachine);
    this.log(`${report.path} is without sqlsync`);
    if (report.configFile !== null) this.note(`taken out of ${report.configFile}: ${report.database}`);
    return report;
  }
}
