/** A node as its operator has it, with a file of the format before. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { type RecordedNode, writeFormat1 } from '../support/format-1.js';
import { makeFolder } from '../support/make-folder.js';
import { ProcessNode } from '../support/process-node.js';
import { makeItems } from './start-nodes.js';

export async function recordedNode(name: RecordedNode = 'lyon', folder = makeFolder()): Promise<ProcessNode> {
  const node = await ProcessNode.first(folder, name, makeItems);
  onTestFinished(() => node.dispose());
  rmSync(`${node.path}.sqlsync`, { recursive: true });
  writeFormat1(name, node.path);
  return node;
}

/** Names of backups in a folder. */
export const backupsIn = (folder: string) =>
  existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.gz')) : [];
export const besideFile = ({ path }: ProcessNode) => `${path}.before-upgrade`;

/** The file's format, by the fact and by every metadata table. */
export function formatsIn({ path }: ProcessNode): number[] {
  const db = new Sqlite(path);
  const fact = db.prepare(`SELECT value FROM _sqlsync_state WHERE name = 'format'`).pluck().get() as number;
  const sql = `SELECT EXISTS(SELECT 1 FROM pragma_table_info(m.name) WHERE name = 'unsaid') FROM sqlite_schema AS m
    WHERE m.type = 'table' AND m.name GLOB '_sqlsync_meta_*'`;
  const marked = db.prepare(sql).pluck().all() as number[];
  db.close();
  return [...new Set([fact, ...marked.map((has) => 1 + has)])];
}
