/** Decisions about the data set travel as writes do, and what a read-only member writes nobody takes. */
import type { Database } from 'better-sqlite3';
import { decidesNothing, isReaderFile } from '../replication/read-only.js';
import { identityIn } from './assert-initialised.js';

/** The node's name. Throws database-not-initialised, format-newer, member-read-only. */
export function nodeThatDecides(db: Database, path: string): string {
  const { node } = identityIn(db, path);
  if (isReaderFile(db)) throw decidesNothing(node);
  return node;
}
