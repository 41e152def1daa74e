/** Opens all files of a configuration, or none. */
import type { DaemonSettings } from './daemon-settings.js';
import { DatabaseService } from './database/database-service.js';
import type { DatabaseServiceOptions } from './database/service-options.js';
import { otherNode, upgradeFile } from './database/upgrade-file.js';

/** Each is upgraded first, if it is of an older format. Throws what keeps one from being served; none is open then. */
export async function openServices(
  { node, databases, limits, backup, wire }: DaemonSettings,
  common: Pick<DatabaseServiceOptions, 'logger' | 'signal' | 'onFatal'>,
): Promise<DatabaseService[]> {
  const services: DatabaseService[] = [];
  try {
    for (const database of databases) {
      const { name, path, identity } = database;
      const upgrade: DatabaseServiceOptions['upgrade'] = (side, waiting) =>
        upgradeFile(side, { database, node, backup, waiting, logger: common.logger });
      const service = await DatabaseService.open({ name, path, identity, limits, wire, upgrade, ...common });
      services.push(service);
      if (service.replica.node !== node) throw otherNode(path, service.replica.node, node);
    }
  } catch (error) {
    await Promise.all(services.map((service) => service.stop()));
    throw error;
  }
  return services;
}
