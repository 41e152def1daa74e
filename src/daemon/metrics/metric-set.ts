/**
 * The metrics of a daemon: names, labels and what they mean. Names are an interface, and change only with a major version.
 * Labels name databases, peers, kinds and states, never a row. What is not known has no sample.
 *
 * Most are read when somebody asks: `clear` forgets what was read before. Those that count events live as long as the
 * daemon.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

const APPLY_SECONDS_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600];

/** A name without its prefix → the labels, and what it says. */
type Definitions = Readonly<Record<string, readonly [labels: readonly string[], help: string]>>;

/** What is read when somebody asks. */
const GAUGES = {
  build_info: [['version', 'node', 'wire_version', 'node_js', 'sqlite'], 'The program that runs; always 1.'],
  config_reload_success: [[], 'Whether the configuration could be taken when it was last read.'],
  database_up: [['database'], 'Whether the figures of the database could be read just now.'],
  peer_up: [['database', 'peer'], 'Whether the peer is in touch.'],
  peer_outbound_changes: [['database', 'peer'], 'Changes that the peer has not acknowledged.'],
  peer_outbound_oldest_seconds: [['database', 'peer'], 'Age of the oldest change that the peer has not acknowledged.'],
  peer_inbound_changes: [['database', 'peer'], 'Changes that the peer has for this node, as far as it is known.'],
  peer_inbound_oldest_seconds: [['database', 'peer'], 'Age of the oldest change that the peer has for this node.'],
  peer_last_contact_timestamp_seconds: [['database', 'peer'], 'When the peer was last heard, in Unix time.'],
  peer_clock_skew_seconds: [['database', 'peer'], 'How far the clock of the peer is ahead of this machine.'],
  verify_last_equal_timestamp_seconds: [
    ['database', 'peer'],
    'When all rows were last found equal to those of the peer, in Unix time.',
  ],
  verify_differing_rows: [['database', 'peer'], 'Rows that differed from those of the peer when last compared.'],
  backup_last_success_timestamp_seconds: [['database'], 'When the last backup was done, in Unix time.'],
  job_last_run_timestamp_seconds: [
    ['database', 'job'],
    'When the job of a schedule last came to an end, in Unix time.',
  ],
  job_last_success_timestamp_seconds: [
    ['database', 'job'],
    'When the job of a schedule last did what it should, in Unix time.',
  ],
  job_last_duration_seconds: [['database', 'job'], 'How long the last run of the job took.'],
  job_last_failed: [['database', 'job'], 'Whether the last run of the job failed.'],
  pending_changes: [['database'], 'Changes that some member has not acknowledged.'],
  unsettled_rows: [['database'], 'Rows with metadata: not known to be everywhere yet.'],
  conflicts_open: [['database'], 'Conflicts that wait for a person to decide.'],
  conflict_records: [['database', 'state'], 'Conflict records that are here, by state: open, auto or resolved.'],
  quarantined_changes: [['database'], 'Changes of other nodes that could not be applied, and are kept.'],
  held_rows: [['database'], 'Rows that wait for a migration of this node.'],
  capture_coverage: [
    ['database', 'state'],
    '1 for what is known of the triggers: complete, partial, or unknown since something may have gone past them.',
  ],
  catching_up: [['database'], 'Whether a large catch-up is half applied.'],
  log_entries: [['database'], 'Entries of the change log.'],
  retained_bytes: [['database'], 'Room that the tables of sqlsync take in the file.'],
} as const satisfies Definitions;

/** Totals that somebody else keeps: read when somebody asks, too. */
const TOTALS = {
  rows_sent_total: [['database', 'peer'], 'Rows sent to the peer since the daemon started.'],
  rows_received_total: [['database', 'peer'], 'Rows received from the peer since the daemon started.'],
  bytes_sent_total: [['database', 'peer'], 'Bytes of changes sent to the peer since the daemon started.'],
  bytes_received_total: [['database', 'peer'], 'Bytes of changes received from the peer since the daemon started.'],
  conflicts_total: [
    ['database', 'kind', 'strategy'],
    'Conflicts that the data set has had, as far as this node has heard, those that retention has removed included.',
  ],
  rows_merged_total: [['database'], 'Rows in which writes to different columns met and merged without a conflict.'],
} as const satisfies Definitions;

export type GaugeName = keyof typeof GAUGES;
export type TotalName = keyof typeof TOTALS;
export type Labels = Readonly<Record<string, string>>;

const PREFIX = 'sqlsync_';

export class MetricSet {
  private readonly registry = new Registry();
  private readonly gauges: Readonly<Record<GaugeName, Gauge>>;
  private readonly totals: Readonly<Record<TotalName, Counter>>;
  private readonly startTime: Gauge;
  private readonly residentMemory: Gauge;
  private readonly processSeconds: Counter;
  readonly applySeconds: Histogram<'database'>;
  readonly rowsApplied: Counter<'database'>;

  constructor() {
    const registers = [this.registry];
    const options = (name: string, [labelNames, help]: readonly [readonly string[], string]) => {
      return { name: PREFIX + name, help, labelNames: [...labelNames], registers };
    };
    this.gauges = mapValues(GAUGES, (name, definition) => new Gauge(options(name, definition)));
    this.totals = mapValues(TOTALS, (name, definition) => new Counter(options(name, definition)));
    this.rowsApplied = new Counter(
      options('rows_applied_total', [
        ['database'],
        'Rows of other nodes written into tables since the daemon started.',
      ]),
    );
    this.applySeconds = new Histogram({
      ...options('apply_duration_seconds', [['database'], 'How long it took to apply what came in one stream.']),
      buckets: APPLY_SECONDS_BUCKETS,
    });
    const ofProcess = (name: string, help: string) => ({ name, help, registers });
    this.startTime = new Gauge(ofProcess('process_start_time_seconds', 'When the process started, in Unix time.'));
    this.residentMemory = new Gauge(ofProcess('process_resident_memory_bytes', 'Resident memory.'));
    this.processSeconds = new Counter(ofProcess('process_cpu_seconds_total', 'User and system CPU time.'));
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** Forgets all that is read when somebody asks. */
  clear(): void {
    for (const metric of [...Object.values(this.gauges), ...Object.values(this.totals)]) metric.reset();
  }

  /** Null: not known, so there is no sample. */
  gauge(name: GaugeName, labels: Labels, value: number | boolean | null): void {
    if (value !== null) this.gauges[name].set({ ...labels }, Number(value));
  }

  total(name: TotalName, labels: Labels, value: number): void {
    this.totals[name].inc({ ...labels }, value);
  }

  setProcess(process: {
    readonly startedMs: number;
    readonly residentBytes: number;
    readonly cpuSeconds: number;
  }): void {
    this.startTime.set(process.startedMs / 1000);
    this.residentMemory.set(process.residentBytes);
    this.processSeconds.reset();
    this.processSeconds.inc(process.cpuSeconds);
  }

  /** In the text format of Prometheus. */
  text(): Promise<string> {
    return this.registry.metrics();
  }
}

function mapValues<Name extends string, Value, Result>(
  values: Readonly<Record<Name, Value>>,
  map: (name: Name, value: Value) => Result,
): Record<Name, Result> {
  const entries = Object.entries(values) as [Name, Value][];
  return Object.fromEntries(entries.map(([name, value]) => [name, map(name, value)])) as Record<Name, Result>;
}
