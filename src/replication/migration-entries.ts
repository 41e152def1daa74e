/**
 * Enters what a migration has written into the change log: with clocks between the last entry before the triggers were
 * lifted and the marker with which they came back, so that all that was captured since is later.
 */
import type { Database } from 'better-sqlite3';
import type { MigrationEnd } from './application-migration.js';
import { ChangeLog } from './change-log.js';
import { ExactStatement } from './exact-values.js';
import { keyColumn, maskColumn, PREFIX } from './metadata-schema.js';
import type { RowDifference } from './table-differences.js';

export class MigrationEntries {
  private readonly log: ChangeLog;
  private readonly insert: ExactStatement;
  private next: number;

  constructor(
    private readonly db: Database,
    private readonly room: MigrationEnd['room'],
  ) {
    this.log = new ChangeLog(db);
    const { maskCount, keyWidth } = this.log;
    const masks = Array.from({ length: maskCount }, (_, i) => maskColumn(i));
    const keys = Array.from({ length: keyWidth }, (_, i) => keyColumn(i));
    const columns = ['hlc', 'tbl', 'op', ...masks, ...keys];
    this.insert = new ExactStatement(
      db,
      columns.length,
      (parameters) => `INSERT INTO ${PREFIX}log(${columns.join(', ')}) VALUES(${parameters.join(', ')})`,
    );
    this.next = room.after + 1;
  }

  /** In one transaction: the caller keeps it short, by the number of rows. */
  enter(tableId: number, rows: readonly RowDifference[]): void {
    const { maskCount, keyWidth } = this.log;
    this.db
      .transaction(() => {
        for (const { op, key, masks } of rows) {
          const padded = (values: readonly (bigint | null)[], width: number) =>
            Array.from({ length: width }, (_, i) => values[i] ?? null);
          const entry = [BigInt(this.nextHlc()), BigInt(tableId), BigInt(op), ...padded(masks ?? [], maskCount)];
          this.insert.run([...entry, ...key, ...padded([], keyWidth - key.length)]);
        }
      })
      .immediate();
  }

  /** Where the room does not do, which takes more rows than were counted, an entry may as well be the latest. */
  private nextHlc(): number {
    const hlc = this.next;
    this.next += 1;
    return hlc < this.room.below ? hlc : this.log.last() + 1;
  }
}
