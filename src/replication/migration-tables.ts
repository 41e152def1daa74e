/** Tables in which migration tools keep what has run on a file: every node's own, unless a rule names one. */
import { globMatcher } from './glob.js';

const MIGRATION_TABLES = [
  'django_migrations',
  'alembic_version',
  '_prisma_migrations',
  'schema_migrations',
  'knex_migrations*',
  '__EFMigrationsHistory',
  '__drizzle_migrations',
  'SequelizeMeta',
  'typeorm_metadata',
  'ar_internal_metadata',
  'flyway_schema_history',
  'goose_db_version',
  '_sqlx_migrations',
  '__diesel_schema_migrations',
  'refinery_schema_history',
  'doctrine_migration_versions',
  'phinxlog',
];

/** Columns by which a table called `migrations` is known to be TypeORM's, Laravel's or db-migrate's. */
const MIGRATIONS_COLUMNS = [['timestamp', 'name'], ['migration', 'batch'], ['run_on']];

const hasKnownName = globMatcher(MIGRATION_TABLES);

/** Does a migration tool keep this table? One called `migrations` is told by its columns. */
export function isMigrationTable(name: string, columns: readonly { readonly name: string }[]): boolean {
  if (hasKnownName(name)) return true;
  if (name.toLowerCase() !== 'migrations') return false;
  const names = new Set(columns.map((column) => column.name.toLowerCase()));
  return MIGRATIONS_COLUMNS.some((known) => known.every((one) => names.has(one)));
}
