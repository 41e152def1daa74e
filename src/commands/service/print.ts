import { Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.js';
import { serviceOptions, unitContentFlags, whichUnitsFlags } from '../../command-line/service-flags.js';
import { serviceHost } from '../../daemon/host/service-host.js';
import { planService, planTemplate } from '../../operations/service/plan-service.js';
import type { Unit } from '../../operations/service/unit-file.js';
import { renderUnits } from '../../rendering/render-service.js';

interface PrintedUnits {
  readonly items: readonly Unit[];
  readonly total: number;
  readonly nextCursor: null;
  readonly warnings: readonly string[];
}

export default class ServicePrint extends BaseCommand<typeof ServicePrint> {
  static override summary = 'Print the systemd units that run this configuration.';
  static override description =
    'A hardened unit: it runs as the owner of the databases, and may write in their folders only. --template prints the ' +
    'bare template for several configurations, which needs none. Nothing is written.';
  static override examples = [
    '<%= config.bin %> service print -c /etc/sqlsync/sqlsync.yml',
    '<%= config.bin %> service print --instance paris -c /etc/sqlsync/paris.yml',
  ];
  static override flags = {
    ...unitContentFlags,
    instance: whichUnitsFlags.instance,
    template: Flags.boolean({ summary: 'Print the template alone.', exclusive: ['instance', 'timers', 'user'] }),
  };

  async run(): Promise<PrintedUnits> {
    const options = serviceOptions(this.flags);
    const { units, warnings } = this.flags.template
      ? { units: [planTemplate(options, serviceHost)], warnings: [] }
      : planService(this.loadConfig(), options, serviceHost);
    this.log(renderUnits(units));
    for (const warning of warnings) this.note(`warning: ${warning}`);
    return { items: units, total: units.length, nextCursor: null, warnings };
  }
}
