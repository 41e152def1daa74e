/** Tools that change an application's schema, known by the table in which each keeps what has run. */

export interface MigrationTool {
  readonly name: string;
  /** Its table, in whatever case. */
  readonly table: RegExp;
  /** Columns by which tools that share a table's name are told apart; []: the name is enough. */
  readonly columns: readonly string[];
  /** Does it make a changed table anew, which drops the triggers on it? */
  readonly rebuilds: 'always' | 'often' | 'as its scripts say';
}

/** Those with columns stand before those that are known by the same name without them. */
const TOOLS: readonly MigrationTool[] = [
  { name: 'Django', table: /^django_migrations$/i, columns: [], rebuilds: 'often' },
  { name: 'Alembic', table: /^alembic_version$/i, columns: [], rebuilds: 'often' },
  { name: 'Prisma', table: /^_prisma_migrations$/i, columns: [], rebuilds: 'often' },
  { name: 'Knex', table: /^knex_migrations(_lock)?$/i, columns: [], rebuilds: 'often' },
  { name: 'Entity Framework', table: /^__EFMigrationsHistory$/i, columns: [], rebuilds: 'often' },
  { name: 'Drizzle', table: /^__drizzle_migrations$/i, columns: [], rebuilds: 'often' },
  { name: 'Sequelize', table: /^SequelizeMeta$/i, columns: [], rebuilds: 'always' },
  { name: 'TypeORM', table: /^migrations$/i, columns: ['timestamp', 'name'], rebuilds: 'always' },
  { name: 'Laravel', table: /^migrations$/i, columns: ['migration', 'batch'], rebuilds: 'often' },
  { name: 'db-migrate', table: /^migrations$/i, columns: ['run_on'], rebuilds: 'as its scripts say' },
  { name: 'golang-migrate', table: /^schema_migrations$/i, columns: ['dirty'], rebuilds: 'as its scripts say' },
  { name: 'Ecto', table: /^schema_migrations$/i, columns: ['inserted_at'], rebuilds: 'as its scripts say' },
  { name: 'Rails, dbmate or the like', table: /^schema_migrations$/i, columns: [], rebuilds: 'often' },
  { name: 'Rails', table: /^ar_internal_metadata$/i, columns: [], rebuilds: 'often' },
  { name: 'goose', table: /^goose_db_version$/i, columns: [], rebuilds: 'as its scripts say' },
  { name: 'sqlx', table: /^_sqlx_migrations$/i, columns: [], rebuilds: 'as its scripts say' },
  { name: 'Diesel', table: /^__diesel_schema_migrations$/i, columns: [], rebuilds: 'as its scripts say' },
  { name: 'SeaORM', table: /^seaql_migrations$/i, columns: [], rebuilds: 'as its scripts say' },
  { name: 'refinery', table: /^refinery_schema_history$/i, columns: [], rebuilds: 'as its scripts say' },
  { name: 'Flyway', table: /^flyway_schema_history$/i, columns: [], rebuilds: 'as its scripts say' },
  { name: 'Liquibase', table: /^databasechangelog(lock)?$/i, columns: [], rebuilds: 'as its scripts say' },
  { name: 'Atlas', table: /^atlas_schema_revisions$/i, columns: [], rebuilds: 'often' },
  { name: 'Doctrine', table: /^doctrine_migration_versions$/i, columns: [], rebuilds: 'always' },
  { name: 'Phinx', table: /^phinxlog$/i, columns: [], rebuilds: 'often' },
  { name: 'yoyo', table: /^_?_?yoyo_(migration|version|log)$/i, columns: [], rebuilds: 'as its scripts say' },
  { name: 'peewee_migrate', table: /^migratehistory$/i, columns: [], rebuilds: 'often' },
];

/** The tool that a table belongs to; null: none that is known. */
export function migrationToolOf(table: string, columns: readonly string[]): MigrationTool | null {
  const present = new Set(columns.map((column) => column.toLowerCase()));
  return TOOLS.find((tool) => tool.table.test(table) && tool.columns.every((column) => present.has(column))) ?? null;
}
