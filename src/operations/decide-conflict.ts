/**
 * A person's decision about one conflict, question by question: keep the winner, take the other, merge field by field,
 * type a value, leave it open, or stop. Nothing is written here, and nothing is known of a terminal.
 */
import { SqlsyncError } from '../errors.js';
import { isColumnConflict } from '../replication/conflict-outcome.js';
import { isSameJson, type JsonValue } from '../replication/json-values.js';
import type { JsonRow } from '../replication/recorded-conflict.js';
import type { Decision } from '../replication/resolve-conflict.js';
import type { ConflictDetail, SideReport } from './conflict-report.js';

export interface Choice<Value> {
  readonly label: string;
  readonly value: Value;
}

/** Who asks. Throws when the person has had enough. */
export interface Questions {
  choose<Value>(question: string, choices: readonly Choice<Value>[]): Promise<Value>;
  /** @param refusal why a text is no answer; null: it is one */
  type(question: string, refusal: (text: string) => string | null): Promise<string>;
  confirm(question: string): Promise<boolean>;
}

export interface DecisionWords {
  /** A name and a value as they are shown. */
  readonly name: (text: string) => string;
  readonly show: (value: JsonValue | undefined) => string;
  /** The value that a text stands for; throws `usage`. */
  readonly parse: (text: string) => JsonValue;
}

/** `leave`: as it is, for another time. `stop`: this one and all that come after it. */
export type ReviewDecision = Exclude<Decision, 'undo'> | 'leave' | 'stop';

export async function decideConflict(
  conflict: ConflictDetail,
  questions: Questions,
  words: DecisionWords,
): Promise<ReviewDecision> {
  const choices: Choice<'winner' | 'loser' | 'merge' | 'type' | 'leave' | 'stop'>[] = [
    { label: `keep the winner${ofNode(conflict.winner)}`, value: 'winner' },
    { label: `take the other${ofNode(conflict.loser)}`, value: 'loser' },
    ...(mergeableColumns(conflict).length > 0 ? [{ label: 'merge field by field', value: 'merge' as const }] : []),
    ...(settableColumns(conflict).length > 0 ? [{ label: 'type a value', value: 'type' as const }] : []),
    { label: 'leave it open', value: 'leave' },
    { label: 'stop', value: 'stop' },
  ];
  const choice = await questions.choose('What shall be?', choices);
  if (choice === 'winner' || choice === 'loser') return { use: choice };
  if (choice === 'merge') return { set: await mergeFields(conflict, questions, words) };
  if (choice === 'type') return { set: await typeValues(conflict, questions, words) };
  return choice;
}

function ofNode({ node, row }: SideReport): string {
  const who = node === null ? '' : ` of ${node}`;
  return row === null ? `${who} (no row)` : who;
}

/** Columns that a decision may set: none of the key, none that are generated (they are in no image). */
function settableColumns({ key, tableColumns }: ConflictDetail): string[] {
  return (tableColumns ?? []).filter((name) => !(name in key));
}

/** Columns that collided, where rows merged; else those in which the sides differ. None where they are no versions of one row. */
function mergeableColumns(conflict: ConflictDetail): string[] {
  const { winner, loser, kind } = conflict;
  if (winner.row === null || loser.row === null || kind === 'unique' || kind === 'orphan') return [];
  const [x, y] = [winner.row, loser.row];
  const settable = settableColumns(conflict);
  if (isColumnConflict(conflict)) return settable.filter((name) => conflict.columns.includes(name));
  return settable.filter((name) => name in x && name in y && !isSameJson(x[name], y[name]));
}

async function mergeFields(conflict: ConflictDetail, questions: Questions, words: DecisionWords): Promise<JsonRow> {
  const merged: Record<string, JsonValue> = {};
  for (const column of mergeableColumns(conflict)) {
    const offer = await questions.choose<Offer | null>(words.name(column), [
      ...differentValues(conflict, column, words),
      { label: 'type a value', value: null },
    ]);
    merged[column] = offer === null ? await typeValue(column, questions, words) : offer.value;
  }
  return merged;
}

interface Offer {
  readonly value: JsonValue;
}

/** What the sides and the row as it is now have to offer, each value once. */
function differentValues(
  { winner, loser, now }: ConflictDetail,
  column: string,
  { show }: DecisionWords,
): Choice<Offer>[] {
  const offers = [
    { who: winner.node ?? 'winner', row: winner.row },
    { who: loser.node ?? 'loser', row: loser.row },
    { who: 'now', row: now },
  ];
  const choices: Choice<Offer>[] = [];
  for (const { who, row } of offers) {
    const value = row?.[column];
    if (value === undefined || choices.some((choice) => isSameJson(choice.value.value, value))) continue;
    choices.push({ label: `${show(value)}  (${who})`, value: { value } });
  }
  return choices;
}

async function typeValues(conflict: ConflictDetail, questions: Questions, words: DecisionWords): Promise<JsonRow> {
  const values: Record<string, JsonValue> = {};
  for (;;) {
    const left = columnsToType(conflict).filter((name) => !(name in values));
    const column = await questions.choose<string | null>('Which column?', [
      ...(Object.keys(values).length > 0 ? [{ label: 'that is all', value: null }] : []),
      ...left.map((name) => ({
        label: `${words.name(name)}  (${words.show((conflict.now ?? conflict.loser.row)?.[name])})`,
        value: name,
      })),
    ]);
    if (column === null) return values;
    values[column] = await typeValue(column, questions, words);
    if (left.length === 1) return values;
  }
}

/** The colliding ones first. */
function columnsToType(conflict: ConflictDetail): string[] {
  const settable = settableColumns(conflict);
  const colliding = settable.filter((name) => conflict.columns.includes(name));
  return [...colliding, ...settable.filter((name) => !colliding.includes(name))];
}

async function typeValue(column: string, questions: Questions, { parse, name }: DecisionWords): Promise<JsonValue> {
  const refusal = (text: string) => {
    try {
      parse(text);
      return null;
    } catch (error) {
      if (error instanceof SqlsyncError) return [error.message, error.hint].filter((part) => part !== null).join('. ');
      throw error;
    }
  };
  return parse(await questions.type(`${name(column)}, as JSON:`, refusal));
}
