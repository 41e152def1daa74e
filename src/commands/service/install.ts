import { Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { serviceOptions, unitContentFlags, whichUnitsFlags } from '../../command-line/service-flags.js';
import { serviceHost } from '../../daemon/host/service-host.js';
import { dryRunFlag } from '../../global-flags.js';
import { installService, type ServiceReport } from '../../operations/service/install-service.js';
import { planService } from '../../operations/service/plan-service.js';
import { renderNextStep, renderServiceChanges } from '../../rendering/render-service.js';

export default class ServiceInstall extends BaseCommand<typeof ServiceInstall> {
  static override summary = 'Install the systemd units that run this configuration.';
  static override description =
    'Writes what `service print` prints, and has systemd read it. Again: takes up what has changed in the configuration. A ' +
    'file that sqlsync did not write, or that was edited since, exits 77 and nothing is changed. Needs root.';
  static override examples = [
    '<%= config.bin %> service install --dry-run -c /etc/sqlsync/sqlsync.yml',
    '<%= config.bin %> service install --now -c /etc/sqlsync/sqlsync.yml',
  ];
  static override flags = {
    ...whichUnitsFlags,
    ...unitContentFlags,
    now: Flags.boolean({ summary: 'Enable and start them at once.' }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<ServiceReport> {
    const plan = planService(this.loadConfig(), serviceOptions(this.flags), serviceHost);
    const { 'unit-dir': folder, now } = this.flags;
    const dryRun = Boolean(this.flags['dry-run']);
    const report = await installService(plan, { folder, dryRun, now }, serviceHost);
    this.log(renderServiceChanges(report));
    for (const warning of report.warnings) this.note(`warning: ${warning}`);
    if (!dryRun && !now) this.note(renderNextStep(report));
    return report;
  }
}
