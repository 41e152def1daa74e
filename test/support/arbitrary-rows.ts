/** fast-check's idea of values and of rows with their versions, as wide as the wire must carry them. */
import fc from 'fast-check';
import { OTHER_COLUMNS, RawText, type RowVersion, type SqlValue } from '../../src/replication/row-version.js';
import { SETTLED_SESSION, type Stamp } from '../../src/replication/stamp.js';
import type { OutgoingRow } from '../../src/replication/wire-rows.js';

export const SESSIONS = [
  'berlin.0123456789abcdef@0',
  'oslo-2.00000000000000ff@3580000000000000',
  'a_b.ffffffffffffffff@7',
];

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** Where the forms of an integer meet, each with its neighbours. */
const INTEGER_BORDERS = [
  0n,
  64n,
  112n,
  128n,
  2n ** 31n,
  2n ** 32n,
  2n ** 48n,
  2n ** 53n,
  2n ** 62n,
  INT64_MAX,
  INT64_MIN,
];

export const integer = fc.oneof(
  fc.bigInt({ min: INT64_MIN, max: INT64_MAX }),
  fc.bigInt({ min: -300n, max: 300n }),
  fc
    .tuple(fc.constantFrom(...INTEGER_BORDERS), fc.bigInt({ min: -2n, max: 2n }), fc.boolean())
    .map(([border, step, negative]) => BigInt.asIntN(64, (negative ? -border : border) + step)),
);

export const bytes = (maxLength = 300) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

export const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.string({ unit: 'binary-ascii', maxLength: 300 }),
  fc.string({ unit: fc.constantFrom('a', '\0', 'é', '€', '😀', '\ufffd', '\ufeff'), maxLength: 150 }),
);

export const sqlValue: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant(null),
  integer,
  fc.double({ noNaN: true }),
  text,
  bytes().map((content) => new RawText(content)),
  bytes(),
);

/** Objects as the decoder makes them. */
const PLAIN = { noNullPrototype: true } as const;

const hlc = fc.oneof(fc.nat(1000), fc.maxSafeNat(), fc.constant(Number.MAX_SAFE_INTEGER));
const session = fc.constantFrom(...SESSIONS);
const until = (latest: number) =>
  fc.oneof(
    fc.constant(latest),
    fc.maxSafeNat().map((n) => (latest === 0 ? 0 : n % latest)),
  );
const stampUntil = (latest: number): fc.Arbitrary<Stamp> => fc.record({ hlc: until(latest), session }, PLAIN);

function vectorOver(stamp: Stamp): fc.Arbitrary<Map<string, number> | null> {
  const own = fc.tuple(
    fc.constant(stamp.session),
    fc.oneof(
      fc.constant(stamp.hlc),
      hlc.map((n) => Math.max(n, stamp.hlc)),
    ),
  );
  const others = fc.array(fc.tuple(session, hlc), { maxLength: 3 });
  return fc.option(
    fc
      .tuple(others, own)
      .map(([before, entry]) => new Map([...before, entry]))
      .filter((vector) => vector.size > 1 || vector.get(stamp.session) !== stamp.hlc),
    { nil: null },
  );
}

function columnStampsUntil(latest: number, columnIds: readonly number[]) {
  const entries = fc.uniqueArray(fc.tuple(fc.constantFrom(...columnIds), stampUntil(latest)), {
    selector: ([id]) => id,
    minLength: 1,
  });
  return fc.option(
    entries.map((list) => new Map(list)),
    { nil: null },
  );
}

function unsaidOf(columnIds: readonly number[]): fc.Arbitrary<Pick<RowVersion, 'unsaid'>> {
  const rank = fc.record(
    { edits: fc.oneof(fc.nat(200), fc.constant(Number.MAX_SAFE_INTEGER)), stamp: stampUntil(Number.MAX_SAFE_INTEGER) },
    PLAIN,
  );
  const id = fc.constantFrom(OTHER_COLUMNS, ...columnIds);
  const entries = fc.uniqueArray(fc.tuple(id, fc.option(rank)), { selector: ([column]) => column, minLength: 1 });
  return fc.oneof(
    fc.constant({}),
    entries.map((list) => ({ unsaid: new Map(list) })),
  );
}

/** A version whose column stamps are keyed by some of `columnIds`. */
export function rowVersion(columnIds: readonly number[]): fc.Arbitrary<RowVersion> {
  return fc.record({ hlc, session }, PLAIN).chain((stamp) =>
    fc.boolean().chain((alive) =>
      fc
        .tuple(
          fc.record(
            {
              alive: fc.constant(alive),
              stamp: fc.constant(stamp),
              life: fc.oneof(
                fc.constant(stamp),
                stampUntil(stamp.hlc),
                until(stamp.hlc).map((horizon) => ({ hlc: horizon, session: SETTLED_SESSION })),
              ),
              vector: vectorOver(stamp),
              columnStamps: alive ? columnStampsUntil(stamp.hlc, columnIds) : fc.constant(null),
              edits: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constant(Number.MAX_SAFE_INTEGER)),
            },
            PLAIN,
          ),
          alive ? unsaidOf(columnIds) : fc.constant({}),
        )
        .map(([version, unsaid]) => ({ ...version, ...unsaid })),
    ),
  );
}

/** A row of a table with these columns, whose key is the columns at `keyPlaces`. */
export function outgoingRow(columnIds: readonly number[], keyPlaces: readonly number[]): fc.Arbitrary<OutgoingRow> {
  return fc
    .tuple(rowVersion(columnIds), fc.array(sqlValue, { minLength: columnIds.length, maxLength: columnIds.length }))
    .map(([version, image]) => ({
      version,
      key: keyPlaces.map((place) => image[place] as SqlValue),
      image: version.alive ? image : null,
    }));
}
