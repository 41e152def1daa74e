/**
 * Where a conflict stands, as SQL over the record `c`: `auto`, the strategy has settled it; `open`, a person must (the
 * strategy is manual); `resolved`, a person has. The latest resolution decides, and one that is an undo gives the
 * conflict back.
 */
import { INTERNAL_TABLES } from './metadata-schema.js';

export const [, , , RESOLUTION_TABLE] = INTERNAL_TABLES;

export const CONFLICT_STATES = ['open', 'auto', 'resolved'] as const;

export type ConflictState = (typeof CONFLICT_STATES)[number];

export type ResolutionChoice = 'winner' | 'loser' | 'set' | 'undo';

const latest = (column: string): string =>
  `(SELECT r.${column} FROM ${RESOLUTION_TABLE.name} AS r WHERE r.conflict = c.id ORDER BY r.at DESC, r.id DESC LIMIT 1)`;

/** The id of the latest resolution; NULL: there is none. */
export const LATEST_RESOLUTION = latest('id');

export const CONFLICT_STATE = `CASE WHEN ${latest('choice')} <> 'undo' THEN 'resolved' WHEN c.strategy = 'manual' THEN 'open' ELSE 'auto' END`;
