/**
 * What a daemon runs by: what it started with, and of every configuration that is read anew all that can be taken over
 * while it runs. The rest it remembers by the names of its keys, until a restart takes it up.
 */
import { isDeepStrictEqual } from 'node:util';
import type { DaemonSettings } from './daemon-settings.js';
import { BearerSecrets } from './server/bearer-secrets.js';

export class ConfigurationInEffect {
  settings: DaemonSettings;
  secrets: BearerSecrets;
  /** Keys whose new values wait for a restart. */
  waiting: readonly string[] = [];
  /** Is it the one that was read last? */
  isTaken = true;

  constructor(private readonly started: DaemonSettings) {
    this.settings = started;
    this.secrets = new BearerSecrets(started.secrets);
  }

  /** The one that was read last could not be taken. */
  keep(): void {
    this.isTaken = false;
  }

  /** Are peers the same, and what both sides know each other by? Then connections can stay. */
  take(wanted: DaemonSettings): { readonly sameLinks: boolean } {
    const { started } = this;
    const before = this.settings;
    this.settings = {
      ...wanted,
      node: started.node,
      listen: started.listen,
      admin: started.admin,
      databases: started.databases,
      limits: started.limits,
      log: started.log,
    };
    this.secrets = new BearerSecrets(wanted.secrets);
    this.waiting = keysThatWait(started, wanted);
    this.isTaken = true;
    return { sameLinks: isDeepStrictEqual(linksOf(before), linksOf(wanted)) };
  }
}

function linksOf({ secrets, peers, clientTls }: DaemonSettings) {
  return { secrets, peers, clientTls };
}

/** What a running daemon does not change: its name, files, ports, bounds and log. */
function keysThatWait(started: DaemonSettings, wanted: DaemonSettings): string[] {
  const same = (key: 'node' | 'listen' | 'databases') => isDeepStrictEqual(started[key], wanted[key]);
  return [
    ...(['node', 'listen', 'databases'] as const).filter((key) => !same(key)),
    ...(isDeepStrictEqual(started.admin, wanted.admin) ? [] : ['admin.listen']),
    ...serverKeysThatWait(started, wanted),
    ...changedKeys('limits', started.limits, wanted.limits),
    ...changedKeys('log', started.log, wanted.log),
  ];
}

function changedKeys<Section extends object>(name: string, started: Section, wanted: Section): string[] {
  return (Object.keys(started) as (keyof Section & string)[])
    .filter((key) => !isDeepStrictEqual(started[key], wanted[key]))
    .map((key) => `${name}.${key}`);
}

/** Another certificate is taken up at once. That there is one, and whether peers must show theirs, is settled on listening. */
function serverKeysThatWait({ listen, serverTls: before }: DaemonSettings, { serverTls: after }: DaemonSettings) {
  if (listen === null) return [];
  if (before === null || after === null) return before === after ? [] : ['tls.cert', 'tls.key'];
  return before.requestCert === after.requestCert ? [] : ['tls.clientAuth'];
}
