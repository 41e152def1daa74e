/**
 * Sequelize: every change of a column copies the table into another and back, each statement on its own. It speaks to the
 * sqlite3 package, whose few calls that it makes are here put to better-sqlite3.
 */
import Sqlite from 'better-sqlite3';
import { DataTypes, type QueryInterface, Sequelize } from 'sequelize';
import type { OrmProgram } from './orm-program.js';

type Done = (this: { lastID: number; changes: number }, error: Error | null, rows?: unknown[]) => void;

class Database {
  private readonly db: Sqlite.Database;

  constructor(
    readonly filename: string,
    _mode: number,
    done: (error: null) => void,
  ) {
    this.db = new Sqlite(filename);
    this.db.pragma('foreign_keys = OFF');
    setImmediate(() => done(null));
  }

  serialize(work: () => void): void {
    work();
  }

  run(sql: string, parameters: unknown, done: Done): this {
    return this.query(sql, parameters, done);
  }

  all(sql: string, parameters: unknown, done: Done): this {
    return this.query(sql, parameters, done);
  }

  private query(sql: string, parameters: unknown, done: Done): this {
    const answer = { error: null as Error | null, rows: [] as unknown[], counts: { lastID: 0, changes: 0 } };
    try {
      const statement = this.db.prepare(sql);
      const values = Array.isArray(parameters) ? parameters : [];
      if (statement.reader) answer.rows = statement.all(...values);
      else {
        const { lastInsertRowid, changes } = statement.run(...values);
        answer.counts = { lastID: Number(lastInsertRowid), changes };
      }
    } catch (error) {
      answer.error = error as Error;
    }
    setImmediate(() => done?.call(answer.counts, answer.error, answer.rows));
    return this;
  }

  close(done: (error: null) => void): void {
    this.db.close();
    setImmediate(() => done(null));
  }
}

const DRIVER = { Database, OPEN_READWRITE: 2, OPEN_CREATE: 4, OPEN_FULLMUTEX: 0x10000, verbose: () => DRIVER };

async function create(db: QueryInterface): Promise<void> {
  await db.createTable('customers', {
    id: { type: DataTypes.STRING, primaryKey: true, allowNull: false },
    name: { type: DataTypes.STRING, allowNull: false },
    age: { type: DataTypes.INTEGER },
    email: { type: DataTypes.STRING },
  });
  await db.createTable('orders', {
    id: { type: DataTypes.STRING, primaryKey: true, allowNull: false },
    customer_id: { type: DataTypes.STRING, references: { model: 'customers', key: 'id' }, onDelete: 'CASCADE' },
    total: { type: DataTypes.DECIMAL(10, 2) },
  });
}

async function alter(db: QueryInterface): Promise<void> {
  await db.addColumn('customers', 'city', { type: DataTypes.STRING, defaultValue: 'nowhere' });
  await db.changeColumn('customers', 'age', { type: DataTypes.STRING, defaultValue: 'unknown' });
  await db.renameColumn('customers', 'name', 'label');
  await db.removeColumn('customers', 'email');
}

export const SEQUELIZE: OrmProgram = {
  name: 'Sequelize',
  missing: null,
  migrate: async (path, upTo) => {
    // Its rebuilds drop the table: with foreign keys enforced they would delete the rows that refer to it.
    const options = {
      dialect: 'sqlite',
      storage: path,
      dialectModule: DRIVER,
      logging: false,
      foreignKeys: false,
    } as const;
    const db = new Sequelize(options);
    try {
      const migrations = db.getQueryInterface();
      await (upTo === 1 ? create(migrations) : alter(migrations));
    } finally {
      await db.close();
    }
  },
};
