/** Payloads of rows from a peer that does not keep to the rules. */
import { describe, expect, test } from 'vitest';
import type { SqlValue } from '../../src/replication/row-version.js';
import { SETTLED_SESSION } from '../../src/replication/stamp.js';
import { SESSIONS_MAX } from '../../src/replication/stream-names.js';
import { PAYLOAD } from '../../src/replication/wire-frames.js';
import { RowsDecoder } from '../../src/replication/wire-rows.js';
import { WireWriter } from '../../src/replication/wire-writer.js';
import { SESSIONS } from '../support/arbitrary-rows.js';

function decoder(): RowsDecoder {
  const decoder = new RowsDecoder();
  decoder.addTable({
    name: 'items',
    columns: ['a', 'b', 'c'],
    affinities: 'BBB',
    key: ['c', 'a'],
    collations: ['BINARY', 'BINARY'],
  });
  decoder.addTable({ name: 'notes', columns: ['id'], affinities: 'B', key: ['id'], collations: ['BINARY'] });
  decoder.addSessions(SESSIONS);
  return decoder;
}

/** A payload written field by field. */
class Forger {
  private readonly writer = new WireWriter();

  constructor() {
    this.writer.byte(PAYLOAD.rows);
  }

  bytes(...bytes: number[]): this {
    for (const byte of bytes) this.writer.byte(byte);
    return this;
  }

  varints(...numbers: number[]): this {
    for (const number of numbers) this.writer.varint(number);
    return this;
  }

  hlc(step: number): this {
    this.writer.zigzag(step);
    return this;
  }

  values(...values: SqlValue[]): this {
    for (const value of values) this.writer.value(value);
    return this;
  }

  take(): Buffer {
    return this.writer.take();
  }
}

const forged = () => new Forger();
/** A live row of `notes` by session 0 at HLC 100, up to its number of edits; further flags as given. */
const live = (flags = 0) =>
  forged()
    .bytes(1 | flags)
    .varints(1)
    .hlc(100)
    .varints(0);

test('a row of wire version 1 that leaves columns unsaid is refused', () => {
  const old = new RowsDecoder(1);
  expect(() => [...old.decode(Buffer.of(PAYLOAD.rows, 33))]).toThrow(/byte 1: flags 33/);
});

describe('a payload of rows is refused', () => {
  test.each<[string, Forger, RegExp]>([
    ['with a table that has not been defined', forged().bytes(1).varints(2), /byte 2: table 2 is not among the 2/],
    ['with a session that has not been listed', forged().bytes(1).varints(1).hlc(5).varints(3), /byte 4: session 3/],
    ['with a flag that means nothing', forged().bytes(65), /byte 1: flags 65/],
    ['with a settled life that is the stamp', forged().bytes(17), /settled life/],
    ['with a tombstone’s column stamps', forged().bytes(8), /tombstone has column stamps/],
    ['with a negative clock', forged().bytes(1).varints(1).hlc(-1), /byte 3: a clock/],
    ['with a clock beyond the safe integers', live(2).hlc(Number.MAX_SAFE_INTEGER - 50), /a clock/],
    ['with a life later than the stamp', live(2).hlc(1).varints(0), /life is later/],
    ['with a life that repeats the stamp', live(2).hlc(0).varints(0), /written twice/],
    ['with a settled life later than the stamp', live(18).hlc(1), /life is later/],
    ['without an edit', live().varints(0).values(1n), /no edits/],
    ['with an empty vector', live(4).varints(1, 0), /0 entries/],
    ['with a vector of more sessions than are listed', live(4).varints(1, 4), /4 entries where 1 to 3/],
    ['with a vector of 2^50 entries', live(4).varints(1, 2 ** 50), /entries/],
    ['with a vector that names a session twice', live(4).varints(1, 2, 0).hlc(0).varints(0).hlc(1), /twice/],
    ['with a vector that lacks the stamp’s session', live(4).varints(1, 1, 1).hlc(0), /lacks its row’s stamp/],
    ['with a vector that lacks the stamp', live(4).varints(1, 1, 0).hlc(-1), /lacks its row’s stamp/],
    ['with a vector that is the stamp', live(4).varints(1, 1, 0).hlc(0), /written out/],
    ['without the column stamps it announces', live(8).varints(1, 0), /0 entries/],
    ['with more column stamps than columns', live(8).varints(1, 2), /2 entries where 1 to 1/],
    ['with a stamp of a column that is not there', live(8).varints(1, 1, 1), /place 1 of 1/],
    ['with a column stamped later than the row', live(8).varints(1, 1, 0, 0).hlc(1), /later than its row/],
    [
      'with a column stamped twice',
      forged().bytes(9).varints(0).hlc(9).varints(0, 1, 2, 1, 0).hlc(0).varints(1, 0).hlc(-1),
      /stamped twice/,
    ],
    ['with a tombstone that leaves columns unsaid', forged().bytes(32), /tombstone leaves columns unsaid/],
    ['with more columns unsaid than there are', live(32).varints(1, 3), /3 entries where 1 to 2/],
    ['with a column unsaid that is not there', live(32).varints(1, 1, 4), /place 4 of 4/],
    ['with a column unsaid twice', live(32).varints(1, 2, 2, 2), /unsaid twice/],
    ['with a write to a column by nobody who is listed', live(32).varints(1, 1, 3, 0, 3), /session 3/],
    ['with too few values', live().varints(1), /more was expected/],
    ['with bytes after its last row', live().varints(1).values(1n, 2n), /more was expected/],
    ['that breaks off in a version', live(), /more was expected/],
  ])('%s', (_, forger, message) => {
    const payload = forger.take();
    const decode = () => [...decoder().decode(payload, 'frame 4 (rows)')];
    expect(decode).toThrow(expect.objectContaining({ code: 'batch-damaged' }));
    expect(decode).toThrow(message);
    expect(decode).toThrow(/^frame 4 \(rows\), byte \d+: /);
  });
});

describe('names are refused', () => {
  const table = (columns: string[], key: string[], name = 'new') => ({
    name,
    columns,
    affinities: 'B'.repeat(columns.length),
    key,
    collations: key.map(() => 'BINARY'),
  });

  test.each([
    ['a table that has been defined', table(['id'], ['id'], 'notes'), /definition of table 2: .* before/],
    ['a column without an affinity', { ...table(['a', 'b'], ['a']), affinities: 'B' }, /has an affinity/],
    ['a key column without a collation', { ...table(['a'], ['a']), collations: [] }, /has a collation/],
    ['two columns of one name', table(['a', 'a'], ['a']), /two columns/],
    ['a key that names a column twice', table(['a', 'b'], ['a', 'a']), /twice/],
    ['a key column that is not there', table(['a'], ['a', 'b']), /key column 1 is not among/],
  ])('%s', (_, definition, message) => {
    expect(() => decoder().addTable(definition)).toThrow(message);
    expect(() => decoder().addTable(definition)).toThrow(expect.objectContaining({ code: 'batch-damaged' }));
  });

  test.each([
    ['a session that has been listed', SESSIONS[0] as string, /session 3: .* before/],
    ['a session without a birth', 'berlin.0123456789abcdef', /session 3: this is no session name/],
    ['the settled session', SETTLED_SESSION, /no session name/],
  ])('%s', (_, name, message) => {
    expect(() => decoder().addSessions([name])).toThrow(message);
    expect(() => decoder().addSessions([name])).toThrow(expect.objectContaining({ code: 'batch-damaged' }));
  });

  test('more than the bound', () => {
    const full = decoder();
    full.addSessions(Array.from({ length: SESSIONS_MAX - SESSIONS.length }, (_, i) => `n.0123456789abcdef@${i + 1}`));
    expect(() => full.addSessions(['m.0123456789abcdef@1'])).toThrow(/at most/);
  });
});
