import { BaseCommand } from '../../base-command.js';
import { whichUnitsFlags } from '../../command-line/service-flags.js';
import { serviceHost } from '../../daemon/host/service-host.js';
import { dryRunFlag } from '../../global-flags.js';
import { type ServiceReport, uninstallService } from '../../operations/service/install-service.js';
import { renderServiceChanges } from '../../rendering/render-service.js';

export default class ServiceUninstall extends BaseCommand<typeof ServiceUninstall> {
  static override summary = 'Remove the systemd units that `service install` has written.';
  static override description =
    'Stops and disables them first. Databases and configuration stay as they are. A file that sqlsync did not write, or ' +
    'that was edited since, exits 77 and nothing is changed. Needs root.';
  static override examples = [
    '<%= config.bin %> service uninstall --dry-run',
    '<%= config.bin %> service uninstall --instance paris',
  ];
  static override flags = { ...whichUnitsFlags, 'dry-run': dryRunFlag };

  async run(): Promise<ServiceReport> {
    const { 'unit-dir': folder, instance = null } = this.flags;
    const dryRun = Boolean(this.flags['dry-run']);
    const report = await uninstallService(instance, { folder, dryRun }, serviceHost);
    this.log(renderServiceChanges(report));
    return report;
  }
}
