/** Traps of tables: what tells rows apart, who gives out keys, and what does not replicate at all. */
import { isOurs } from '../../replication/read-schema.js';
import { shellWord } from '../../shell-word.js';
import { type DatabaseFinding, found, listed } from './finding.js';
import type { SchemaFacts } from './schema-facts.js';

export function checkTables(facts: SchemaFacts): DatabaseFinding[] {
  return [
    ...inIdentity(facts),
    ...inKeys(facts),
    ...inUniqueValues(facts),
    ...inVirtualTables(facts),
    ...otherReplicators(facts),
  ];
}

function inIdentity({ plan, path }: SchemaFacts): DatabaseFinding[] {
  return plan.tables.flatMap(({ name, status, reason, key, warnings }) => {
    if (status === 'refused' && key.length > 0) {
      const what = `give those rows a key: SELECT * FROM ${name} WHERE ${key.map((column) => `${column} IS NULL`).join(' OR ')}`;
      return [
        found('key-null', `${name} holds rows whose key is NULL: they have no identity and do not replicate`, what),
      ];
    }
    if (status === 'refused') {
      const what = `give it a primary key, or leave it out: sqlsync init ${shellWord(path)} --exclude ${shellWord(name)}`;
      return [found('table-refused', `${name} cannot replicate: ${reason}`, what)];
    }
    return warnings.map((warning) =>
      found('key-nullable', `${name}: ${warning}`, 'declare the key columns NOT NULL in the next migration'),
    );
  });
}

function inKeys({ tables, rulesOf }: SchemaFacts): DatabaseFinding[] {
  const allocated = tables.filter(({ identity }) => identity.source === 'integer-primary-key');
  const kept = allocated.filter(({ name }) => rulesOf(name).keyCollision === 'keep').map(({ name }) => name);
  if (kept.length === 0) return [];
  const message =
    `SQLite gives out the keys of ${listed(kept)}: two nodes that insert at once give one key to two rows. The rule is ` +
    '`keep`: the strategy decides which row stays, and the other is kept whole in a conflict record';
  const what =
    'give the losing row a new key: sqlsync rules set TABLE --key-collision rekey; or let the application make the keys ' +
    '(UUIDs, or a range of its own for each node)';
  return [found('integer-keys', message, what)];
}

function inUniqueValues({ tables }: SchemaFacts): DatabaseFinding[] {
  const names = tables.filter(({ uniqueIndexes }) => uniqueIndexes.length > 0).map(({ name }) => name);
  if (names.length === 0) return [];
  const message =
    `${listed(names)}: values that are UNIQUE beside the key. Two nodes can give one value to two rows; then the row with ` +
    'the lower key stays, and the other is kept whole in a conflict record';
  return [found('unique-values', message, 'look through them now and then: sqlsync conflicts --kind unique')];
}

/** What triggers fill from replicated tables is right on every node; what is written directly stays where it was written. */
function inVirtualTables({ virtualTables, triggers }: SchemaFacts): DatabaseFinding[] {
  const filled = new Set(
    triggers
      .filter(({ verdict }) => verdict === 'local')
      .flatMap(({ writes }) => writes.map((name) => name.toLowerCase())),
  );
  const alone = virtualTables.filter((name) => !filled.has(name.toLowerCase()));
  if (alone.length === 0) return [];
  const message = `${listed(alone)}: virtual, and filled by no trigger that fires on rows from other nodes: what is written to it stays on this node`;
  return [
    found(
      'virtual-table-alone',
      message,
      'fill it by triggers on an ordinary table, or rebuild it on each node after an exchange',
    ),
  ];
}

/** Tables by which other programs that replicate or ship the file are known. */
const REPLICATORS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^_litestream_/, 'Litestream'],
  [/^crsql_/, 'cr-sqlite'],
  [/^cloudsync_/, 'SQLite Sync'],
  [/^__?marmot__/, 'Marmot'],
  [/^(evolu_|__evolu)/, 'Evolu'],
];

function otherReplicators({ columns }: SchemaFacts): DatabaseFinding[] {
  const names = [...columns.keys()].filter((name) => !isOurs(name));
  return REPLICATORS.filter(([pattern]) => names.some((name) => pattern.test(name))).map(([, program]) =>
    found(
      'other-replicator',
      `${program} has tables in this file: two programs that both replicate it, or both hold back its checkpoints, get in each other's way`,
      `stop ${program} on this file, or leave its tables out with --exclude`,
    ),
  );
}
