/** Changes of the rules without a daemon: this process takes the file's lock, and reaches the peers of the configuration. */
import type { Config, DatabaseConfig } from '../config.js';
import type { ChangeRulesDeps } from '../operations/change-rules.js';
import { withConfiguredTargets } from './configured-targets.js';
import { readDaemonSettings } from './daemon-settings.js';
import { createLogger } from './logger.js';
import { includeServedTables, recoverServedRules, type ServedRules, setServedRules } from './rules/set-rules.js';
import { serveOnce } from './serve-once.js';
import { peersFor } from './sync-once.js';
import { findDaemon, thisMachine } from './this-machine.js';

/** What `rules` needs of this machine to change something. */
export function changeRulesDeps(config: Config, signal: AbortSignal): ChangeRulesDeps {
  const once = <Result>(database: DatabaseConfig, work: (served: ServedRules) => Promise<Result>) =>
    changeOnce(config, database, signal, work);
  return {
    ...thisMachine,
    findDaemon,
    signal,
    setOnce: (database, request) => once(database, (served) => setServedRules(request, served)),
    includeOnce: (database, request) => once(database, (served) => includeServedTables(request, served)),
    recoverOnce: (database, request) => once(database, (served) => recoverServedRules(request, served)),
  };
}

function changeOnce<Result>(
  config: Config,
  database: DatabaseConfig,
  signal: AbortSignal,
  work: (served: ServedRules) => Promise<Result>,
): Promise<Result> {
  const settings = readDaemonSettings(config);
  const logger = createLogger({ level: 'silent', format: 'json', destination: process.stderr, environment: {} });
  const peers = peersFor(settings, database.name, { databases: [database.name], peers: [] });
  return serveOnce(database, { limits: settings.limits, logger, signal }, (service) =>
    withConfiguredTargets(service, peers, settings, (targets) => work({ service, targets: () => targets, signal })),
  );
}
