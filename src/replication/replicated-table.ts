/** One captured table with all that the engine does to it, statements prepared at first need. */
import type { Database } from 'better-sqlite3';
import { type ForeignKey, foreignKeysAmong } from './foreign-keys.js';
import type { JoinRules } from './join-rows.js';
import { Metadata } from './metadata.js';
import type { NodeState } from './node-state.js';
import { ReferringRows } from './referring-rows.js';
import { RowTable } from './row-table.js';
import type { SqlValue } from './row-version.js';
import { AFFINITY_LETTERS, type Affinity, type CapturedTable, type TableRules } from './table-schema.js';
import { UniqueCollisions } from './unique-collisions.js';
import type { TableDefinition } from './wire-messages.js';

/** A foreign key between two tables, with what finds rows by it. */
export class Reference {
  private referring: ReferringRows | null = null;

  constructor(
    private readonly db: Database,
    readonly child: ReplicatedTable,
    readonly parent: ReplicatedTable,
    readonly key: ForeignKey,
  ) {}

  get rows(): ReferringRows {
    this.referring ??= new ReferringRows(this.db, this.key);
    return this.referring;
  }
}

export class ReplicatedTable {
  /** Foreign keys of this table, and those of others that mean it. */
  readonly references: Reference[] = [];
  readonly referencedBy: Reference[] = [];
  /** Those that mean other columns than its key. */
  readonly referencedValues: ForeignKey[] = [];
  readonly collations: readonly string[];
  readonly columnIds: readonly number[];
  readonly definition: TableDefinition;
  private rowMetadata: Metadata | null = null;
  private rowTable: RowTable | null = null;
  private collisions: UniqueCollisions | null = null;

  constructor(
    private readonly db: Database,
    private table: CapturedTable,
    private readonly state: NodeState,
  ) {
    const { schema, columns, name } = table;
    const { identity } = schema;
    this.collations = identity.columns.map((column) => column.collation);
    this.columnIds = columns.map((column) => column.id);
    this.definition = {
      name,
      columns: columns.map((column) => column.name),
      affinities: columns.map((column) => AFFINITY_LETTERS[affinityIn(table, column.name)]).join(''),
      key: identity.columns.map((column) => column.name),
      collations: [...this.collations],
    };
  }

  get captured(): CapturedTable {
    return this.table;
  }

  get joinRules(): JoinRules {
    const { rules, schema } = this.table;
    return {
      strategy: rules.strategy,
      keysAllocated: schema.identity.source === 'integer-primary-key',
      columnIds: this.columnIds,
      defaultOf: (place) => this.defaultOf(place),
      nodeOrder: rules.nodeOrder,
    };
  }

  /** Does a row that loses its allocated key get another? */
  get isRekeyed(): boolean {
    const { rules, schema } = this.table;
    return schema.identity.source === 'integer-primary-key' && rules.keyCollision === 'rekey';
  }

  /** What a column is when an insert does not name it. */
  defaultOf(place: number): SqlValue {
    const name = this.definition.columns[place];
    const sql = this.captured.schema.columns.find((column) => column.name === name)?.defaultSql ?? 'NULL';
    return this.db.prepare(`SELECT ${sql}`).pluck().safeIntegers().get() as SqlValue;
  }

  /** Goes by other rules from here on: it stays the same table, whoever holds it. */
  goBy(rules: TableRules): void {
    this.table = { ...this.table, rules };
  }

  get metadata(): Metadata {
    this.rowMetadata ??= new Metadata(this.db, this.captured, this.state);
    return this.rowMetadata;
  }

  /** The table's rows. Prepared on the private schema: its statements name the sentinel. */
  get rows(): RowTable {
    this.rowTable ??= new RowTable(this.db, this.captured);
    return this.rowTable;
  }

  get unique(): UniqueCollisions {
    this.collisions ??= new UniqueCollisions(this.db, this.captured);
    return this.collisions;
  }
}

function affinityIn({ schema }: CapturedTable, name: string): Affinity {
  return schema.columns.find((column) => column.name === name)?.affinity ?? 'BLOB';
}

/** The captured tables by number and by name. */
export class ReplicatedTables {
  readonly all: readonly ReplicatedTable[];
  private readonly byId: ReadonlyMap<number, ReplicatedTable>;
  private readonly byName: ReadonlyMap<string, ReplicatedTable>;
  readonly references: readonly Reference[];

  constructor(db: Database, captured: readonly CapturedTable[], state: NodeState) {
    this.all = captured.map((table) => new ReplicatedTable(db, table, state));
    this.byId = new Map(this.all.map((table) => [table.captured.id, table]));
    this.byName = new Map(this.all.map((table) => [table.captured.name, table]));
    this.references = foreignKeysAmong(captured).map((key) => this.makeReference(db, key));
  }

  private makeReference(db: Database, key: ForeignKey): Reference {
    const [child, parent] = [this.named(key.child.name), this.named(key.parent.name)];
    if (child === undefined || parent === undefined)
      throw new Error(`a foreign key of ${key.child.name} leads nowhere`);
    const reference = new Reference(db, child, parent, key);
    child.references.push(reference);
    parent.referencedBy.push(reference);
    if (key.identityPlaces === null) parent.referencedValues.push(key);
    return reference;
  }

  /** Has the application's tables go by other rules from here on. */
  goBy(rulesOf: (table: string) => TableRules): void {
    for (const table of this.all) if (!table.captured.internal) table.goBy(rulesOf(table.captured.name));
  }

  withId(id: number): ReplicatedTable | undefined {
    return this.byId.get(id);
  }

  named(name: string): ReplicatedTable | undefined {
    return this.byName.get(name);
  }
}
