/** What awaits the application's next migration. */
import { shellWord } from '../../shell-word.js';
import { type DatabaseFinding, found, listed } from './finding.js';
import { type MigrationTool, migrationToolOf } from './migration-tools.js';
import type { SchemaFacts } from './schema-facts.js';

export function checkMigrations(facts: SchemaFacts): DatabaseFinding[] {
  return [...inTools(facts), ...inDroppedColumns(facts)];
}

const REBUILDS: Record<MigrationTool['rebuilds'], string> = {
  always: 'makes every table that it changes anew',
  often: 'makes tables anew for most changes',
  'as its scripts say': 'runs what its scripts say',
};

function inTools({ columns, tables, path, identity }: SchemaFacts): DatabaseFinding[] {
  const replicated = new Set(tables.map(({ name }) => name));
  return [...columns].flatMap(([table, names]) => {
    const tool = migrationToolOf(table, names);
    if (tool === null) return [];
    const message = `${tool.name} migrates this file (${table}): it ${REBUILDS[tool.rebuilds]}. A table made anew loses its triggers until the daemon puts them back`;
    const findings = [found('migration-tool', message, `run it around: sqlsync migrate ${shellWord(path)} -- COMMAND`)];
    if (replicated.has(table)) {
      const trap = `${table} of ${tool.name} replicates: another node would hold a migration for done that has not run there`;
      const word = shellWord(table);
      const what =
        identity === null ? `sqlsync init ${shellWord(path)} --exclude ${word}` : `sqlsync rules exclude ${word}`;
      findings.push(found('migration-table-replicated', trap, what));
    }
    return findings;
  });
}

/** An index can be dropped, and the column after it: what a UNIQUE constraint or a key needs cannot, by SQLite's own rule. */
function inDroppedColumns({ tables, path }: SchemaFacts): DatabaseFinding[] {
  const indexes = tables.flatMap(({ name: table, uniqueIndexes }) =>
    uniqueIndexes
      .filter(({ name }) => !name.startsWith('sqlite_autoindex_'))
      .map(({ name, terms }) => `${name} on ${table}(${[...new Set(terms.flatMap(({ reads }) => reads))].join(', ')})`),
  );
  if (indexes.length === 0) return [];
  const message =
    `UNIQUE indexes that can be dropped: ${listed(indexes)}. A migration that drops one and then, before the daemon has ` +
    'looked, a column of it fails on a trigger of sqlsync; so does one that renames a column and then drops it';
  return [
    found('drop-column-indexed', message, `run such a migration around: sqlsync migrate ${shellWord(path)} -- COMMAND`),
  ];
}
