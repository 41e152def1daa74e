/** A database, with a configuration and other programs around it as a test wants them, put to the doctor in this process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { thisHost } from '../../src/daemon/host/this-host.js';
import { doctorDeps } from '../../src/daemon/this-machine.js';
import { type DoctorReport, diagnose } from '../../src/operations/doctor/diagnose.js';
import type { DoctorHost } from '../../src/operations/doctor/host.js';
import { initialiseNode } from '../../src/replication/initialise.js';
import { planCapture } from '../../src/replication/plan-capture.js';
import { makeFolder } from './make-folder.js';

/** A schema without a trap but those that every file has. */
export const SOUND = 'CREATE TABLE item(id TEXT PRIMARY KEY NOT NULL, name TEXT)';

export interface BenchOptions {
  readonly journalMode?: string;
  /** Null: sqlsync is not installed. */
  readonly exclude?: readonly string[] | null;
  /** Before anything is in the file. */
  readonly before?: string;
}

const SQLITE = fileURLToPath(import.meta.resolve('better-sqlite3'));

export class DoctorBench {
  readonly folder = makeFolder();
  readonly path = join(this.folder, 'shop.db');
  configFile: string | undefined;
  host: DoctorHost = thisHost;

  /** Makes the database. */
  static of(schema: string, { journalMode = 'wal', exclude = [], before = '' }: BenchOptions = {}): DoctorBench {
    const bench = new DoctorBench();
    bench.application((db) => {
      db.exec(before);
      db.pragma(`journal_mode = ${journalMode}`);
      db.exec(schema);
      if (exclude === null) return;
      const plan = planCapture(db, { include: [], exclude });
      initialiseNode(db, { dataset: 'd'.repeat(32), node: 'paris', nodeId: 'e'.repeat(32), nowMs: Date.now() }, plan);
    });
    return bench;
  }

  /** What an application does on a connection of its own. */
  application<Result>(work: (db: Sqlite.Database) => Result): Result {
    const db = new Sqlite(this.path);
    try {
      return work(db);
    } finally {
      db.close();
    }
  }

  /** Writes a configuration with the database in it. */
  configure(more: object = {}): this {
    this.configFile = join(this.folder, 'sqlsync.yml');
    const secretFile = join(this.folder, 'secret');
    writeFileSync(secretFile, 'a secret of some length\n', { mode: 0o600 });
    const database = { name: 'shop', path: this.path };
    writeFileSync(this.configFile, stringify({ node: 'paris', secretFile, databases: [database], ...more }));
    return this;
  }

  /** The host, but for what a test says of it. */
  on(host: Partial<DoctorHost>): this {
    this.host = { ...this.host, ...host };
    return this;
  }

  /** Of the database: as the configuration's only one, or by its path. */
  diagnose({ deep = false } = {}): Promise<DoctorReport> {
    return this.diagnoseNamed(this.configFile === undefined ? [this.path] : [], deep);
  }

  diagnoseNamed(databases: readonly string[], deep = false): Promise<DoctorReport> {
    const deps = { ...doctorDeps('0.0.0'), host: this.host, env: {} };
    return diagnose({ databases, deep, configFile: this.configFile }, deps);
  }

  /** Another program that opens the file, does this with it, and holds it until the test is over. */
  async holding(script: string, path = this.path): Promise<ChildProcess> {
    const program = `const Sqlite = require(${JSON.stringify(SQLITE)}); const db = new Sqlite(${JSON.stringify(path)});
      ${script}; console.log('ready'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    });
    await once(createInterface({ input: child.stdout }), 'line');
    return child;
  }
}
