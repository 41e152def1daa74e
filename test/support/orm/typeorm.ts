/** TypeORM: every change of a column is a table called temporary_…, copied and renamed, in a transaction. */
import { DataSource, type MigrationInterface, type QueryRunner, Table, TableColumn } from 'typeorm';
import type { OrmProgram } from './orm-program.js';

class Create1700000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.createTable(
      new Table({
        name: 'customers',
        columns: [
          { name: 'id', type: 'varchar', isPrimary: true },
          { name: 'name', type: 'varchar' },
          { name: 'age', type: 'integer', isNullable: true },
          { name: 'email', type: 'varchar', isNullable: true, isUnique: true },
        ],
      }),
    );
    await runner.createTable(
      new Table({
        name: 'orders',
        columns: [
          { name: 'id', type: 'varchar', isPrimary: true },
          { name: 'customer_id', type: 'varchar', isNullable: true },
          { name: 'total', type: 'decimal', isNullable: true },
        ],
        foreignKeys: [
          {
            columnNames: ['customer_id'],
            referencedTableName: 'customers',
            referencedColumnNames: ['id'],
            onDelete: 'CASCADE',
          },
        ],
      }),
    );
  }

  async down(): Promise<void> {}
}

class Alter1700000000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const column = (name: string, standard: string) =>
      new TableColumn({ name, type: 'varchar', isNullable: true, default: `'${standard}'` });
    await runner.addColumn('customers', column('city', 'nowhere'));
    await runner.changeColumn('customers', 'age', column('age', 'unknown'));
    await runner.renameColumn('customers', 'name', 'label');
    await runner.dropColumn('customers', 'email');
  }

  async down(): Promise<void> {}
}

export const TYPEORM: OrmProgram = {
  name: 'TypeORM',
  missing: null,
  migrate: async (path, upTo) => {
    const migrations = [Create1700000000001, Alter1700000000002].slice(0, upTo);
    const source = new DataSource({ type: 'better-sqlite3', database: path, migrations });
    await source.initialize();
    try {
      await source.runMigrations();
    } finally {
      await source.destroy();
    }
  },
};
