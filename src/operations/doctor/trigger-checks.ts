/** The application's own triggers: which of them fire on rows that arrive from other nodes, which do not, and why. */
import { type DatabaseFinding, found, listed } from './finding.js';
import type { SchemaFacts } from './schema-facts.js';

export function checkTriggers({ triggers, tables }: SchemaFacts): DatabaseFinding[] {
  const replicated = new Set(tables.map(({ name }) => name.toLowerCase()));
  return triggers.flatMap(({ name, table, verdict, writes, reason }) => {
    if (!replicated.has(table.toLowerCase())) return [];
    const where = `${name} on ${table}`;
    if (verdict === 'unknown') {
      const message = `${where} does not fire on rows from other nodes: it could not be proven to write only what is this node’s own, since ${reason}`;
      const what = 'if it keeps a table of this node’s own, let it write to that alone, with SQLite’s own functions';
      return [found('trigger-unproven', message, what)];
    }
    const local = writes.filter((written) => !replicated.has(written.toLowerCase()));
    if (verdict === 'replicated' && local.length > 0) {
      const message = `${where} writes to tables that replicate and to ${listed(local)}, which do not: on rows from other nodes it does not fire, so the latter miss what it would have written`;
      return [
        found('trigger-writes-excluded', message, 'make two triggers of it: one for what replicates, one for the rest'),
      ];
    }
    if (verdict === 'local') {
      return [
        found('trigger-fires', `${where} fires on rows from other nodes: it writes only to ${listed(writes)}`, null),
      ];
    }
    return [];
  });
}
