/** Knex: every change of a column is a table of another name, copied and renamed, in a transaction. */
import type Sqlite from 'better-sqlite3';
import knex, { type Knex } from 'knex';
import type { OrmProgram } from './orm-program.js';

const MIGRATIONS: Readonly<Record<string, (db: Knex) => Promise<void>>> = {
  '1_create': async (db) => {
    await db.schema.createTable('customers', (table) => {
      table.string('id').primary().notNullable();
      table.string('name').notNullable();
      table.integer('age');
      table.string('email').unique();
    });
    await db.schema.createTable('orders', (table) => {
      table.string('id').primary().notNullable();
      table.string('customer_id').references('id').inTable('customers').onDelete('CASCADE');
      table.decimal('total', 10, 2);
    });
  },
  '2_alter': async (db) => {
    await db.schema.alterTable('customers', (table) => {
      table.string('city').defaultTo('nowhere');
      table.string('age').defaultTo('unknown').alter();
    });
    await db.schema.alterTable('customers', (table) => table.renameColumn('name', 'label'));
    await db.schema.alterTable('customers', (table) => table.dropUnique(['email']));
    await db.schema.alterTable('customers', (table) => table.dropColumn('email'));
  },
};

/** Its rebuilds drop the table: with foreign keys enforced they would delete the rows that refer to it. */
const POOL = {
  afterCreate: (db: Sqlite.Database, done: (error: null, db: Sqlite.Database) => void) => {
    db.pragma('foreign_keys = OFF');
    done(null, db);
  },
};

export const KNEX: OrmProgram = {
  name: 'Knex',
  missing: null,
  migrate: async (path, upTo) => {
    const db = knex({ client: 'better-sqlite3', connection: { filename: path }, useNullAsDefault: true, pool: POOL });
    try {
      await db.migrate.latest({
        migrationSource: {
          getMigrations: async () => Object.keys(MIGRATIONS).slice(0, upTo),
          getMigrationName: (name: string) => name,
          getMigration: async (name: string) => ({
            up: MIGRATIONS[name] as (db: Knex) => Promise<void>,
            down: async () => {},
          }),
        },
      });
    } finally {
      await db.destroy();
    }
  },
};
