/** One database put to all checks: first what is around it, then what is in it. */
import { SqlsyncError } from '../../errors.js';
import type { CaptureGap } from '../../replication/capture-gap.js';
import { shellWord } from '../../shell-word.js';
import { readReplicaStatus } from '../replica-figures.js';
import { checkStamps } from './clock-checks.js';
import { checkCoverage } from './coverage-checks.js';
import type { DoctorContext, DoctorDeps, DoctorTarget } from './doctor-deps.js';
import { type DatabaseFinding, failed, found } from './finding.js';
import { checkForeignKeys } from './foreign-key-checks.js';
import { findLongTransactions } from './long-transactions.js';
import { checkMigrations } from './migration-checks.js';
import { readSchemaFacts, type SchemaFacts } from './schema-facts.js';
import { checkStorage } from './storage-checks.js';
import { readStorageFacts, type StorageFacts } from './storage-facts.js';
import {
  type FileKind,
  inFileSystem,
  inPermissions,
  inPrograms,
  lookAround,
  type Surroundings,
} from './surroundings.js';
import { checkTables } from './table-checks.js';
import { checkTriggers } from './trigger-checks.js';

interface Examination {
  readonly target: DoctorTarget;
  readonly context: DoctorContext;
  readonly deps: DoctorDeps;
}

export async function examineDatabase(examination: Examination): Promise<DatabaseFinding[]> {
  const { target, context, deps } = examination;
  const located = attempt(() => deps.files.locate(target.path));
  const findings = inConfiguration(target, context);
  if ('failure' in located) findings.push(located.failure);
  if ('failure' in located && deps.host.entryOf(target.path) === null) return findings;
  const real = 'value' in located ? located.value : target.path;
  const around = await lookAround(target.path, real, deps);
  const inFile = 'value' in located ? await examineFile(around, examination) : NOTHING_READ;
  return [
    ...findings,
    ...inFile.findings,
    ...inPermissions(around, deps.host),
    ...inFileSystem(around, context.config?.health.diskFreeBytesMin ?? null, deps.host),
    ...(await inPrograms(around, inFile, deps.host)),
  ];
}

function inConfiguration({ configured, path }: DoctorTarget, { config }: DoctorContext): DatabaseFinding[] {
  if (configured !== null || config === null) return [];
  const message = `${path} is not in ${config.file}: no daemon of that configuration serves it`;
  return [found('not-configured', message, `sqlsync init ${shellWord(path)}`)];
}

interface FileExamination extends FileKind {
  readonly findings: readonly DatabaseFinding[];
}

const NOTHING_READ: FileExamination = { findings: [], isInstalled: false, isWal: false };

async function examineFile(around: Surroundings, examination: Examination): Promise<FileExamination> {
  const { context, deps } = examination;
  const schema = attempt(() => readSchema(around, deps));
  if ('failure' in schema) return { ...NOTHING_READ, findings: [schema.failure] };
  const { facts, gap } = schema.value;
  const storage = attempt(() =>
    deps.files.withConnection(around.path, (db) => readStorageFacts(db, facts.foreignKeys, context.deep)),
  );
  const ofStorage = 'failure' in storage ? [storage.failure] : await inStorage(storage.value, around, deps);
  const findings = [
    ...checkCoverage(facts, { gap, isLocked: isLocked(around) }),
    ...checkTables(facts),
    ...checkForeignKeys(facts),
    ...checkTriggers(facts),
    ...checkMigrations(facts),
    ...inStamps(facts, around, examination),
    ...ofStorage,
  ];
  const isWal = 'value' in storage && storage.value.journalMode === 'wal';
  return { findings, isInstalled: facts.identity !== null, isWal };
}

function isLocked({ daemon, search, side }: Surroundings): boolean {
  return daemon !== null || search.holders.some(({ files }) => files.some(({ path }) => path === side.lockPath));
}

function readSchema(
  { path, daemon }: Surroundings,
  deps: DoctorDeps,
): { readonly facts: SchemaFacts; readonly gap: CaptureGap | null } {
  return deps.files.withSnapshot(path, (db) => {
    const facts = readSchemaFacts(db, path);
    // The last thing done: opening a node puts its triggers right, until all is rolled back.
    const replica = facts.identity === null ? null : (daemon?.served?.replica ?? readReplicaStatus(db, deps));
    return { facts, gap: replica?.gap ?? null };
  });
}

async function inStorage(
  storage: StorageFacts,
  { path, real, entries, search, holders }: Surroundings,
  { host }: DoctorDeps,
): Promise<DatabaseFinding[]> {
  const isWal = storage.journalMode === 'wal';
  return checkStorage(storage, {
    path,
    walBytes: entries.find((entry) => entry.path === `${real}-wal`)?.bytes ?? null,
    isInUse: search.hidden !== 0 || holders.length > 0,
    transactions: await findLongTransactions(search, [real, `${real}-shm`], isWal, host),
  });
}

function inStamps(
  { latestHlc }: SchemaFacts,
  { daemon }: Surroundings,
  { target: { configured }, context: { config }, deps }: Examination,
): DatabaseFinding[] {
  const met = daemon?.served?.peers ?? [];
  const isAbout = (databases: readonly string[]) =>
    databases.includes('*') || databases.includes(configured?.name ?? '');
  const dialed = configured === null ? [] : (config?.peers ?? []).filter(({ databases }) => isAbout(databases));
  const names = new Set([...dialed, ...met].map(({ name }) => name));
  return checkStamps({
    latestHlc,
    nowMs: deps.now().getTime(),
    skews: [...names].map((peer) => {
      return { peer, seconds: met.find(({ name }) => name === peer)?.clockSkewSeconds ?? null };
    }),
    aheadSecondsMax: config?.limits.clockAheadSecondsMax ?? Number.POSITIVE_INFINITY,
  });
}

/** What fails for a reason that an operator can mend is a finding. */
function attempt<Result>(work: () => Result): { readonly value: Result } | { readonly failure: DatabaseFinding } {
  try {
    return { value: work() };
  } catch (error) {
    if (error instanceof SqlsyncError) return { failure: failed(error.toBody()) };
    throw error;
  }
}
