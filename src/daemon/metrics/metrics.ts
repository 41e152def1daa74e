/**
 * What `/metrics` answers. Figures are read when somebody asks, in slices that leave the event loop to others, and in a
 * large file no oftener than a share of the time allows (rationed.ts). A database whose figures are not to be had in time
 * has no samples but `sqlsync_database_up` 0; what is not known has none either.
 */
import Sqlite from 'better-sqlite3';
import type { PeerConfig } from '../../config-schema.js';
import { SqlsyncError } from '../../errors.js';
import { coverageOf } from '../../operations/capture-coverage.js';
import type { JobRecords } from '../../operations/job-record.js';
import { peersOf } from '../../operations/peer-status.js';
import type { PeerStatus } from '../../operations/status-report.js';
import { PROGRAM_VERSION } from '../../program-version.js';
import { WIRE_VERSION } from '../../replication/wire-messages.js';
import { type ServedStatus, servedStatus } from '../daemon-status.js';
import type { DatabaseFigures } from '../database/database-figures.js';
import type { ServedDatabase } from '../database/served-databases.js';
import { JobHistory } from '../file/job-history.js';
import { MetricSet } from './metric-set.js';
import { Rationed } from './rationed.js';

/** Scrapers give up after ten seconds, by default. */
const READ_MS_MAX = 5_000;

export interface MetricsSource {
  readonly node: string;
  readonly startedAt: Date;
  readonly databases: readonly ServedDatabase[];
  /** As the configuration has them now. */
  readonly peers: () => readonly PeerConfig[];
  /** Could the configuration be taken when it was last read? */
  readonly isConfigTaken: () => boolean;
}

interface Target {
  readonly served: ServedDatabase;
  readonly figures: Rationed<DatabaseFigures>;
}

export class Metrics {
  private readonly set = new MetricSet();
  private readonly targets: readonly Target[];
  private readonly sqlite = sqliteVersion();
  private answering: Promise<string> | null = null;

  constructor(private readonly source: MetricsSource) {
    this.targets = source.databases.map((served) => ({
      served,
      figures: new Rationed(() => served.service.figures()),
    }));
    for (const { served } of this.targets) this.follow(served);
  }

  get contentType(): string {
    return this.set.contentType;
  }

  /** The text of an answer. Whoever asks while one is being made gets that. */
  text(): Promise<string> {
    this.answering ??= this.answer().finally(() => {
      this.answering = null;
    });
    return this.answering;
  }

  private follow({ service }: ServedDatabase): void {
    const labels = { database: service.name };
    this.set.rowsApplied.inc(labels, 0);
    service.onApplied(({ rows, seconds }) => {
      this.set.rowsApplied.inc(labels, rows);
      this.set.applySeconds.observe(labels, seconds);
    });
  }

  private async answer(): Promise<string> {
    const readings = await Promise.all(this.targets.map(readInTime));
    this.set.clear();
    this.setProgram();
    for (const [i, { served }] of this.targets.entries()) this.setDatabase(served, readings[i] ?? null);
    return this.set.text();
  }

  private setProgram(): void {
    const { node, startedAt, isConfigTaken } = this.source;
    const { node: nodeJs } = process.versions;
    const labels = {
      version: PROGRAM_VERSION,
      node,
      wire_version: String(WIRE_VERSION),
      node_js: nodeJs,
      sqlite: this.sqlite,
    };
    this.set.gauge('build_info', labels, 1);
    this.set.gauge('config_reload_success', {}, isConfigTaken());
    const { user, system } = process.cpuUsage();
    const residentBytes = process.memoryUsage.rss();
    this.set.setProcess({ startedMs: startedAt.getTime(), residentBytes, cpuSeconds: (user + system) / 1e6 });
  }

  private setDatabase(served: ServedDatabase, figures: DatabaseFigures | null): void {
    const database = served.service.name;
    this.set.gauge('database_up', { database }, figures !== null);
    if (figures === null) return;
    this.setFigures(database, figures);
    this.setJobs(database, new JobHistory(served.service.side).all());
    const status = servedStatus(served, figures.replica);
    const { node, peers } = this.source;
    const config = { node, peers: peers() };
    const now = new Date();
    const { replica } = figures;
    for (const peer of peersOf({ database, config, served: status, replica, paused: [], now })) {
      this.setPeer(database, peer, status);
    }
  }

  private setFigures(database: string, { replica, isCaptureComplete, retainedBytes }: DatabaseFigures): void {
    const { set } = this;
    const labels = { database };
    set.gauge('pending_changes', labels, replica.pendingChanges);
    set.gauge('unsettled_rows', labels, replica.unsettledRows);
    set.gauge('conflicts_open', labels, replica.conflicts.open);
    for (const state of ['open', 'auto', 'resolved'] as const)
      set.gauge('conflict_records', { database, state }, replica.conflicts[state]);
    set.gauge('quarantined_changes', labels, replica.quarantined);
    set.gauge('held_rows', labels, replica.held.rows);
    const coverage = coverageOf(isCaptureComplete, replica);
    for (const state of ['complete', 'partial', 'unknown'])
      set.gauge('capture_coverage', { database, state }, state === coverage);
    set.gauge('catching_up', labels, replica.catchUp !== null);
    set.gauge('log_entries', labels, replica.logEntries);
    set.gauge('retained_bytes', labels, retainedBytes);
    for (const { kind, strategy, count } of replica.conflictsEver)
      set.total('conflicts_total', { database, kind, strategy }, count);
    set.total('rows_merged_total', labels, replica.merged);
    for (const [peer, { equalAtMs, differences }] of Object.entries(replica.verified)) {
      set.gauge(
        'verify_last_equal_timestamp_seconds',
        { database, peer },
        equalAtMs === null ? null : equalAtMs / 1000,
      );
      set.gauge('verify_differing_rows', { database, peer }, differences);
    }
  }

  private setJobs(database: string, records: JobRecords): void {
    const { set } = this;
    const seconds = (at: string | null | undefined) => (at == null ? null : Date.parse(at) / 1000);
    set.gauge('backup_last_success_timestamp_seconds', { database }, seconds(records.backup?.succeededAt));
    for (const [job, { last, succeededAt }] of Object.entries(records)) {
      const labels = { database, job };
      set.gauge('job_last_success_timestamp_seconds', labels, seconds(succeededAt));
      if (last === null) continue;
      set.gauge('job_last_run_timestamp_seconds', labels, seconds(last.endedAt));
      set.gauge('job_last_duration_seconds', labels, (Date.parse(last.endedAt) - Date.parse(last.startedAt)) / 1000);
      set.gauge('job_last_failed', labels, last.result !== 'done');
    }
  }

  private setPeer(database: string, peer: PeerStatus, { peers }: ServedStatus): void {
    const { set } = this;
    const labels = { database, peer: peer.name };
    set.gauge('peer_up', labels, peer.state === 'online' || peer.state === 'syncing');
    set.gauge('peer_outbound_changes', labels, peer.outbound.changes);
    set.gauge('peer_outbound_oldest_seconds', labels, peer.outbound.oldestSeconds);
    set.gauge('peer_inbound_changes', labels, peer.inbound.changes);
    set.gauge('peer_inbound_oldest_seconds', labels, peer.inbound.oldestSeconds);
    const contactMs = peer.lastContactAt === null ? null : Date.parse(peer.lastContactAt);
    set.gauge('peer_last_contact_timestamp_seconds', labels, contactMs === null ? null : contactMs / 1000);
    set.gauge('peer_clock_skew_seconds', labels, peer.clockSkewSeconds);
    const record = peers.find(({ name }) => name === peer.name);
    set.total('rows_sent_total', labels, record?.rowsSent ?? 0);
    set.total('rows_received_total', labels, record?.rowsReceived ?? 0);
    set.total('bytes_sent_total', labels, record?.bytesSent ?? 0);
    set.total('bytes_received_total', labels, record?.bytesReceived ?? 0);
  }
}

function sqliteVersion(): string {
  const db = new Sqlite(':memory:');
  const version = db.prepare('SELECT sqlite_version()').pluck().get() as string;
  db.close();
  return version;
}

/** Null: they are not to be had, or not within a scraper's patience; then the reading goes on for the next. */
async function readInTime({ figures }: Target): Promise<DatabaseFigures | null> {
  const late = new AbortController();
  const waiting = new Promise<null>((resolve) => {
    const timer = setTimeout(() => resolve(null), READ_MS_MAX);
    late.signal.addEventListener('abort', () => clearTimeout(timer));
  });
  try {
    return await Promise.race([figures.get(), waiting]);
  } catch (error) {
    if (error instanceof SqlsyncError) return null;
    throw error;
  } finally {
    late.abort();
  }
}
