/**
 * What is wrong between values that are right by themselves. Sections that are wrong by themselves are left out, so
 * that an operator reads of every mistake at once.
 */
import { normalize } from 'node:path';
import { LIMIT_ORDER, type Limits } from './config-limits.js';
import { type ConfigSections, configSchema } from './config-schema.js';
import { formatListenAddress, isLoopback } from './listen-address.js';

export interface Contradiction {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** The sections of a document that are right by themselves. */
function validSections(document: Readonly<Record<string, unknown>>): Partial<ConfigSections> {
  const sections: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(configSchema.shape)) {
    const result = schema.safeParse(document[name]);
    if (result.success) sections[name] = result.data;
  }
  return sections;
}

/** The places of values that have stood before. */
function repeated(section: string, key: string, values: readonly string[]): Contradiction[] {
  return values.flatMap((value, i) =>
    values.indexOf(value) < i
      ? [{ path: [section, i, key], message: `stands at ${section}[${values.indexOf(value)}] too` }]
      : [],
  );
}

function inListening({ listen, tls, admin }: Partial<ConfigSections>): Contradiction[] {
  const found: Contradiction[] = [];
  if (tls && (tls.cert === null) !== (tls.key === null)) {
    found.push({ path: ['tls'], message: 'cert and key must stand together' });
  }
  if (tls?.clientAuth === 'required' && tls.ca === null) {
    found.push({ path: ['tls', 'clientAuth'], message: 'needs a ca to judge the certificates of clients by' });
  }
  if (listen && !isLoopback(listen.host) && tls !== undefined && !tls?.cert) {
    const local = formatListenAddress({ host: '127.0.0.1', port: listen.port });
    found.push({
      path: ['listen'],
      message: `is reachable from other machines, which takes tls with cert and key; without, listen on ${local}`,
    });
  }
  if (admin && listen && admin.listen.port !== 0 && formatListenAddress(admin.listen) === formatListenAddress(listen)) {
    found.push({ path: ['admin', 'listen'], message: 'is the address of listen too' });
  }
  return found;
}

function inPeers({ node, peers = [], databases }: Partial<ConfigSections>): Contradiction[] {
  const found = repeated(
    'peers',
    'name',
    peers.map((peer) => peer.name),
  );
  const known = databases && new Set(['*', ...databases.map((database) => database.name)]);
  for (const [i, peer] of peers.entries()) {
    if (peer.name === node) found.push({ path: ['peers', i, 'name'], message: 'is the name of this node' });
    if (peer.fingerprint !== null && !peer.url.startsWith('https:'))
      found.push({ path: ['peers', i, 'fingerprint'], message: 'is that of a certificate, which takes an https url' });
    for (const [j, name] of peer.databases.entries()) {
      if (known && !known.has(name))
        found.push({ path: ['peers', i, 'databases', j], message: 'is not among databases' });
    }
  }
  return found;
}

function inLimits(limits: Limits): Contradiction[] {
  return LIMIT_ORDER.filter(([low, high]) => limits[low] > limits[high]).map(([low, high]) => ({
    path: ['limits', low],
    message: `must not exceed ${high} (${limits[high]})`,
  }));
}

export function findContradictions(document: Readonly<Record<string, unknown>>): Contradiction[] {
  const sections = validSections(document);
  const databases = sections.databases ?? [];
  return [
    ...inListening(sections),
    ...repeated(
      'databases',
      'name',
      databases.map((database) => database.name),
    ),
    ...repeated(
      'databases',
      'path',
      databases.map((database) => normalize(database.path)),
    ),
    ...inPeers(sections),
    ...(sections.limits ? inLimits(sections.limits) : []),
  ];
}
