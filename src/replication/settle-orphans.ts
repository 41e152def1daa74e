/**
 * Rows left without a parent: judged, recorded, and handled by their table's rule. The kinds of write that met are told
 * apart by versions alone:
 *   - a row whose reference was written on one node and whose parent was deleted on another, neither known to all: an
 *     orphan;
 *   - a row whose parent this node's engine deleted by itself, whoever wrote it and when: an orphan;
 *   - whatever one node did to both, and a reference that every member knew: the application's own affair.
 */
import { type ApplyContext, record } from './apply-context.js';
import type { ConflictDetail, DetectedConflict } from './conflict-record.js';
import { toJsonRow } from './json-values.js';
import { deleteByItself } from './own-writes.js';
import type { Reference } from './replicated-table.js';
import { restoreParent } from './restore-parent.js';
import { canonicalKey, compareKeys } from './row-key.js';
import { columnStampOf, type RowVersion, type SqlValue, type VersionedRow } from './row-version.js';
import { isAfter, laterStamp, SETTLED_SESSION, type Stamp } from './stamp.js';
import { settledVersion } from './stored-row.js';
import type { CapturedTable } from './table-schema.js';
import { nodeOf } from './version-vector.js';

/** A row whose parent is not there, and a row that was this parent, or held the values that are meant. */
export interface FoundOrphan {
  readonly reference: Reference;
  readonly childKey: readonly SqlValue[];
  readonly parentKey: readonly SqlValue[];
}

interface Loss {
  /** Its tombstone, or a row that lives on with other values. */
  readonly parent: VersionedRow;
  /** The write to which its children lost it. */
  readonly lostAt: Stamp;
  /** Did this node's engine delete it by itself? */
  readonly isByItself: boolean;
}

interface Orphan extends FoundOrphan, Loss {
  readonly child: VersionedRow;
  /** The write by which the reference came to be. */
  readonly writtenAt: Stamp;
}

/** Inside the caller's transaction, in which everything is folded. What it writes is in the log, to be folded. */
export function settleOrphans(found: readonly FoundOrphan[], context: ApplyContext): void {
  const orphans = judge(found, context);
  // What can be restored comes first: its other children then have a parent again.
  for (const orphan of orphans.filter((one) => ruleOf(one) === 'restore-parent')) restoreFor(orphan, context);
  for (const orphan of orphans.filter((one) => ruleOf(one) === 'keep')) recordOrphan(orphan, null, context);
  for (const orphan of orphans.filter((one) => ruleOf(one) === 'delete')) deleteOrphan(orphan, context);
}

function ruleOf({ reference }: FoundOrphan) {
  return reference.child.captured.rules.orphan;
}

/** The orphans among what was found, in an order of their own; of several former parents the one lost last. */
function judge(found: readonly FoundOrphan[], context: ApplyContext): Orphan[] {
  const orphans = new Map<string, Orphan>();
  const losses = new Map<string, Loss | null>();
  for (const one of found) {
    const { child, key } = one.reference;
    const orphan = judgeOne(one, lossOf(one, losses, context), context);
    if (orphan === null) continue;
    const name = JSON.stringify([child.captured.id, key.columnIds, canonicalKey(one.childKey, child.collations)]);
    const other = orphans.get(name);
    if (other === undefined || isAfter(orphan.lostAt, other.lostAt)) orphans.set(name, orphan);
  }
  return [...orphans.values()].sort(byTableAndKey);
}

function byTableAndKey(x: Orphan, y: Orphan): number {
  const { child } = x.reference;
  return child.captured.id - y.reference.child.captured.id || compareKeys(x.childKey, y.childKey, child.collations);
}

function judgeOne(found: FoundOrphan, loss: Loss | null, context: ApplyContext): Orphan | null {
  if (loss === null) return null;
  const { reference, childKey } = found;
  const version = reference.child.metadata.get(childKey) ?? settledVersion(context.state);
  const writtenAt = referenceStamp(reference, version);
  const isUnseen =
    writtenAt.hlc > context.state.get('horizon') && nodeOf(writtenAt.session) !== nodeOf(loss.lostAt.session);
  if (!isUnseen && !loss.isByItself) return null;
  // What waits for the row is judged when it can be written.
  if (context.quarantine.get(reference.child, childKey) !== undefined) return null;
  const image = reference.child.rows.read(childKey);
  return image === null ? null : { ...found, ...loss, child: { version, image }, writtenAt };
}

/** What has become of a parent, asked once for all of its children; null: they did not lose it to an unsettled write. */
function lossOf(found: FoundOrphan, known: Map<string, Loss | null>, context: ApplyContext): Loss | null {
  const { reference, parentKey } = found;
  const { parent, key } = reference;
  const name = JSON.stringify([reference.child.captured.id, key.columnIds, canonicalKey(parentKey, parent.collations)]);
  let loss = known.get(name);
  if (loss === undefined) {
    const version = parent.metadata.get(parentKey);
    const waits = context.quarantine.get(parent, parentKey)?.row.version.alive;
    loss = version === undefined || waits ? null : lossBy(found, version, context);
    known.set(name, loss);
  }
  return loss;
}

function lossBy({ reference, parentKey }: FoundOrphan, version: RowVersion, { former }: ApplyContext): Loss | null {
  const { parent, key } = reference;
  if (!version.alive) {
    const cause = former.causeOf(parent, parentKey);
    return { parent: { version, image: null }, lostAt: cause ?? version.life, isByItself: cause !== null };
  }
  if (key.identityPlaces !== null) return null;
  const names = key.parentColumns.map(({ name }) => name);
  const meant = parent.captured.columns.filter(({ name }) => names.includes(name));
  const lostAt = meant.map(({ id }) => columnStampOf(version, id)).reduce(laterStamp);
  if (lostAt.session === SETTLED_SESSION) return null;
  return { parent: { version, image: parent.rows.read(parentKey) }, lostAt, isByItself: false };
}

/** When the reference was last written; where rows are joined whole, the row's latest write brings all of it. */
function referenceStamp({ child, key }: Reference, version: RowVersion): Stamp {
  if (child.captured.rules.strategy !== 'merge' && version.life.session !== SETTLED_SESSION) return version.stamp;
  return key.columnIds.map((id) => columnStampOf(version, id)).reduce(laterStamp);
}

function restoreFor(orphan: Orphan, context: ApplyContext): void {
  const { reference, parentKey, parent } = orphan;
  const restoration = parent.version.alive
    ? { refused: 'the row that it meant lives on with other values' }
    : restoreParent(reference.parent, parentKey, context);
  const refused = typeof restoration === 'string' ? null : restoration.refused;
  recordOrphan(orphan, refused, context);
}

function deleteOrphan(orphan: Orphan, context: ApplyContext): void {
  const { reference, childKey, parentKey, child, parent, lostAt } = orphan;
  if (parent.version.alive) {
    recordOrphan(orphan, 'the row that it meant lives on with other values', context);
    return;
  }
  recordOrphan(orphan, null, context);
  if (reference.parent.rows.exists(parentKey) || !reference.child.rows.exists(childKey)) return;
  deleteByItself({ table: reference.child, key: childKey, image: child.image ?? [] }, lostAt, context);
}

function recordOrphan(orphan: Orphan, refused: string | null, context: ApplyContext): void {
  const { reference, childKey, parentKey, child, parent, writtenAt, lostAt } = orphan;
  const table = reference.child.captured;
  // A row that is deleted goes whole, with whatever else was written to it.
  const goes = table.rules.orphan === 'delete' && !parent.version.alive;
  const stamps = goes ? reference.child.columnIds.map((id) => columnStampOf(child.version, id)) : [writtenAt];
  const detail: ConflictDetail = {
    parent: { table: reference.parent.captured.name, key: keyJson(reference.parent.captured, parentKey) },
    rule: table.rules.orphan,
    ...(refused === null ? {} : { kept: refused }),
  };
  const conflict: DetectedConflict = {
    table,
    key: childKey,
    kind: 'orphan',
    columns: reference.key.columnIds,
    winner: parent,
    winnerTable: reference.parent.captured,
    loser: child,
    winnerStamp: lostAt,
    loserStamp: writtenAt,
    stamps: [lostAt, ...stamps],
    detail,
  };
  record(conflict, context);
}

function keyJson({ schema }: CapturedTable, key: readonly SqlValue[]) {
  return toJsonRow(
    schema.identity.columns.map(({ name }) => name),
    key,
  );
}
