/**
 * What has become of every value that applications wrote in a history, and what each stamp stands for. A value may be
 * gone from the tables only if it was overwritten where it could be seen, or stands in a record.
 */
import type { Stage } from '../../src/replication/stage.js';

export class ValueLedger {
  /** Value → the node where an application wrote it. */
  private readonly issued = new Map<string, string>();
  private readonly overwritten = new Set<string>();
  /** Gone with a file in whose place an old copy was put. */
  private readonly gone = new Set<string>();
  /** Written on a node of which an old copy was put back since: it may not have them any more. */
  private readonly doubtful = new Set<string>();
  private readonly stamped = new Map<string, string>();
  private values = 0;

  /** A value that never was before. */
  next(): string {
    this.values += 1;
    return `v${this.values}.`;
  }

  /** An application has committed on this node, whose file showed these values before and after. */
  noteWrite(node: string, before: ReadonlySet<string>, after: ReadonlySet<string>): void {
    for (const value of after) if (!before.has(value)) this.issued.set(value, node);
    for (const value of before) if (!after.has(value)) this.overwritten.add(value);
  }

  /** An old copy has taken the place of this node's file, which held these, when others held those. */
  noteRestore(node: string, held: Iterable<string>, elsewhere: ReadonlySet<string>): void {
    this.noteLoss(held, elsewhere);
    for (const [value, author] of this.issued) if (author === node) this.doubtful.add(value);
  }

  /** A file that held these is no more, when others held those: what it had sent is there. */
  noteLoss(held: Iterable<string>, elsewhere: ReadonlySet<string>): void {
    for (const value of held) if (!elsewhere.has(value)) this.gone.add(value);
  }

  /** A node that held these has rejoined, and now all together hold those. What others have written is theirs to bring. */
  noteRejoin(held: Iterable<string>, now: ReadonlySet<string>): void {
    for (const value of held) if (!now.has(value) && this.doubtful.has(value)) this.gone.add(value);
  }

  /** Values that are nowhere, although nobody could have seen them before they went. */
  lost(...places: ReadonlySet<string>[]): string[] {
    const all = [...places, this.overwritten, this.gone];
    return [...this.issued.keys()].filter((value) => !all.some((values) => values.has(value)));
  }

  /** Throws when a stamp in the stream stands for another value than in one before. */
  watchStamps(stage: Stage): void {
    for (const { tables, rows } of stage.batches()) {
      for (const { tableIndex, key, version, image } of rows) {
        const table = tables[tableIndex];
        if (table === undefined || image === null || version.life.session === '~') continue;
        table.columns.forEach((column, place) => {
          // Of what a row's writer does not say another's write tells.
          if (version.unsaid?.has(place)) return;
          const stamp = version.columnStamps?.get(place) ?? version.life;
          this.noteStamp(`${table.name} ${String(key)} ${column} ${stamp.session}:${stamp.hlc}`, String(image[place]));
        });
      }
    }
  }

  private noteStamp(name: string, value: string): void {
    const known = this.stamped.get(name);
    if (known !== undefined && known !== value) throw new Error(`one stamp, two values: ${name}: ${known} ${value}`);
    this.stamped.set(name, value);
  }
}
