/**
 * A shop whose three nodes were apart while people wrote, and the command line of one of them. No daemon runs: what the
 * nodes exchange, they exchange in this process.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConflictReport, ResolveReport } from '../../src/operations/conflict-report.js';
import type { ConflictState } from '../../src/replication/conflict-state.js';
import type { RecordedConflict } from '../../src/replication/recorded-conflict.js';
import { Clash, type Writes } from './clash.js';
import { type CliResult, runCli } from './run-cli.js';

export const SHOP: Writes = {
  schema: `CREATE TABLE product(sku TEXT PRIMARY KEY NOT NULL, name TEXT, price REAL, photo BLOB);
    CREATE TABLE account(id INTEGER PRIMARY KEY, mail TEXT UNIQUE, name TEXT);`,
  common: `INSERT INTO product VALUES('tea', 'Assam', 4.2, NULL), ('coffee', 'Yirgacheffe', 9.5, NULL), ('cocoa', 'Cocoa', 5.1, NULL)`,
  first: `UPDATE product SET price = 4.5, name = 'Assam, 100 g' WHERE sku = 'tea'; DELETE FROM product WHERE sku = 'cocoa';
    INSERT INTO account VALUES(1, 'ann@example', 'Ann')`,
  second: `UPDATE product SET price = 4.9 WHERE sku = 'tea'; UPDATE product SET price = 5.5 WHERE sku = 'cocoa';
    INSERT INTO account VALUES(2, 'ann@example', 'Anna')`,
};

export class ConflictShop {
  readonly clash: Clash;

  constructor(writes: Writes = SHOP) {
    this.clash = new Clash(writes);
    for (const { directory, name } of this.clash.cluster.nodes) {
      writeFileSync(
        join(directory, `${name}.yml`),
        `node: ${name}\ndatabases:\n  - { name: shop, path: ${name}.db }\n`,
      );
    }
  }

  get folder(): string {
    return this.clash.cluster.directory;
  }

  /** @param node by its number */
  run(args: readonly string[], { node = 0, input }: { node?: number; input?: string } = {}): Promise<CliResult> {
    return runCli([...args, '-c', `n${node}.yml`], { cwd: this.folder, ...(input !== undefined && { input }) });
  }

  async json<Document>(args: readonly string[], node = 0): Promise<Document> {
    const { stdout, stderr } = await this.run([...args, '--json'], { node });
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as Document;
  }

  async list(args: readonly string[] = [], node = 0): Promise<readonly ConflictReport[]> {
    return (await this.json<{ items: ConflictReport[] }>(['conflicts', ...args], node)).items;
  }

  /** Without a process for the question. */
  conflicts(state?: ConflictState): RecordedConflict[] {
    return this.clash
      .operator(0)
      .conflicts()
      .filter((conflict) => state === undefined || conflict.state === state);
  }

  /** The id of the conflict about this row. */
  idOf(table: string, key: unknown): string {
    const found = this.conflicts().find(
      (conflict) => conflict.table === table && Object.values(conflict.key)[0] === key,
    );
    if (found === undefined) throw new Error(`no conflict about ${table} ${key}`);
    return found.id;
  }

  resolve(args: readonly string[]): Promise<ResolveReport> {
    return this.json(['conflicts', 'resolve', ...args]);
  }

  rows(sql: string, node = 0): unknown[] {
    return this.clash.node(node).app.prepare(sql).raw().all();
  }
}
