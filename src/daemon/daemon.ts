/**
 * The composition root: files, peers, server, control socket and schedules of one node, put together from a checked
 * configuration. Locks are taken before the port, so that a second daemon for a file is refused for the right reason.
 */
import type { Logger } from 'pino';
import type { PeerConfig } from '../config-schema.js';
import { SqlsyncError } from '../errors.js';
import { formatListenAddress, type ListenAddress } from '../listen-address.js';
import type { BackupProgress, BackupReport, BackupRequest } from '../operations/backup/backup-report.js';
import type { PruneOrder } from '../operations/running-daemon.js';
import type { CompareRequest, VerifiedPeer } from '../operations/verify-report.js';
import { renderCount } from '../render-figures.js';
import { backUpOnRequest } from './backup/requested-backup.js';
import { GapClosing } from './compare/gap-closing.js';
import { Verification } from './compare/verification.js';
import { ConfigurationInEffect } from './configuration-in-effect.js';
import type { ControlProgress, ControlRequest, SyncProgress } from './control/control-protocol.js';
import { ControlServer } from './control/control-server.js';
import type { DaemonSettings } from './daemon-settings.js';
import { type DaemonStatus, statusOf } from './daemon-status.js';
import type { DatabaseService } from './database/database-service.js';
import { decideKept } from './database/decide-kept.js';
import { holdDatabase } from './database/hold-database.js';
import { Presence } from './database/presence.js';
import { type PruneRequest, pruneDatabase } from './database/prune-database.js';
import { type ServedDatabase, ServedDatabases } from './database/served-databases.js';
import { operatorName } from './host/operator-name.js';
import { configuredJobs } from './jobs/configured-jobs.js';
import type { Job } from './jobs/job.js';
import { ScheduledJobs } from './jobs/scheduled-jobs.js';
import { logFatal } from './log-fatal.js';
import { Metrics } from './metrics/metrics.js';
import { openServices } from './open-services.js';
import type { PeerAddress } from './peer/peer-address.js';
import { PeerBook } from './peer/peer-book.js';
import { credentialsFor } from './peer/peer-credentials.js';
import { PeerLinks } from './peer/peer-links.js';
import { PeerProofs } from './peer/peer-proofs.js';
import type { PeerRecord } from './peer/peer-record.js';
import { includeServedTables, recoverServedRules, type ServedRules, setServedRules } from './rules/set-rules.js';
import { startAdminServer } from './server/admin-server.js';
import type { RunningServer } from './server/http-listener.js';
import { startServer } from './server/server.js';

const NEVER = new AbortController().signal;

export class Daemon {
  /** Resolves when the daemon has stopped: null because it was asked to, else what made it stop. */
  readonly stopped: Promise<unknown>;
  /** Called when it begins to stop, for whatever reason. */
  onStopping: () => void = () => {};
  private resolveStopped!: (cause: unknown) => void;
  private readonly startedAt = new Date();
  private readonly inEffect: ConfigurationInEffect;
  private stopping: Promise<void> | null = null;
  /** Ends what databases are held for, when the daemon stops. */
  private readonly holds = new AbortController();
  private readonly links: PeerLinks;
  private readonly databases: ServedDatabases;
  private readonly metrics: Metrics;
  private readonly verification = new Verification();
  private readonly gapClosing: GapClosing;
  private readonly jobs: ScheduledJobs;
  private server: RunningServer | null = null;
  private admin: RunningServer | null = null;
  private control: ControlServer | null = null;

  private constructor(
    settings: DaemonSettings,
    private readonly logger: Logger,
    services: readonly DatabaseService[],
  ) {
    this.stopped = new Promise((resolve) => {
      this.resolveStopped = resolve;
    });
    const onFatal = (error: unknown) => this.fail(error);
    this.inEffect = new ConfigurationInEffect(settings);
    this.databases = new ServedDatabases(services.map((service) => this.serve(service)));
    const { limits } = settings;
    const addressOf = (peer: PeerConfig, service: DatabaseService) => this.addressOf(peer, service);
    this.links = new PeerLinks({ databases: this.databases, addressOf, limits, onBug: onFatal });
    this.metrics = new Metrics({
      node: settings.node,
      startedAt: this.startedAt,
      databases: this.databases.all(),
      peers: () => this.settings.peers,
      isConfigTaken: () => this.inEffect.isTaken,
    });
    this.gapClosing = new GapClosing(this.comparisons());
    this.jobs = new ScheduledJobs({
      jobs: this.configuredJobs(),
      services: services,
      operator: operatorName(),
      logger,
      onBug: onFatal,
    });
  }

  /**
   * Starts a node. Throws the registry's errors of files, of the port and of the control socket, and the reason of a
   * signal that ends the wait for a file's lock; nothing is left then.
   */
  static async start(settings: DaemonSettings, logger: Logger, signal = NEVER): Promise<Daemon> {
    if (settings.databases.length === 0) {
      throw new SqlsyncError('config-invalid', 'the configuration has no database', {
        hint: '`sqlsync init DB` adds one',
      });
    }
    // Nothing of a service runs before the daemon starts it.
    const onFatal = (error: unknown) => daemon.fail(error);
    const daemon = new Daemon(settings, logger, await openServices(settings, { logger, signal, onFatal }));
    try {
      signal.throwIfAborted();
      await daemon.listen();
    } catch (error) {
      await daemon.stop();
      throw error;
    }
    return daemon;
  }

  /** Where the node listens; null when it only dials. */
  get address(): ListenAddress | null {
    return this.server?.address ?? null;
  }

  /** Where its probes and figures are to be had by themselves; null: nowhere. */
  get adminAddress(): ListenAddress | null {
    return this.admin?.address ?? null;
  }

  async status(): Promise<DaemonStatus> {
    return {
      pid: process.pid,
      startedAt: this.startedAt.toISOString(),
      listen: this.address === null ? null : formatListenAddress(this.address),
      waitingForRestart: this.inEffect.waiting,
      databases: await Promise.all(this.databases.all().map(statusOf)),
    };
  }

  /** How long the slowest step of an apply that is under way has lasted; 0: none is. */
  get applyStillMs(): number {
    return Math.max(...this.databases.all().map(({ service }) => service.applyStillMs));
  }

  /** A few words on how things are, for whoever supervises the process. */
  get summary(): string {
    const databases = this.databases.all();
    const peers = databases.flatMap((served) => served.peers.all());
    const inTouch = peers.filter(({ state }) => state === 'online' || state === 'syncing').length;
    const names = databases.map(({ service }) => service.name).join(', ');
    return `serves ${names}; ${inTouch} of ${renderCount(peers.length, 'peer')} in touch`;
  }

  /** A configuration that was read anew could not be taken. */
  keepConfiguration(): void {
    this.inEffect.keep();
  }

  /**
   * Takes over what can be of a configuration that was read anew: secrets, certificates, peers, and what runs by
   * schedule. Connections are made anew only where whom they are with, or by what both sides know each other, may have
   * changed; a certificate of this node's own is for those that come. Returns the keys that wait for a restart.
   */
  async reload(wanted: DaemonSettings): Promise<readonly string[]> {
    if (this.stopping !== null) return [];
    const { sameLinks } = this.inEffect.take(wanted);
    const { waiting } = this.inEffect;
    const { serverTls, peers, prune } = this.settings;
    if (serverTls !== null) this.server?.setCertificate(serverTls);
    for (const { presence } of this.databases.all()) presence.bound(prune.peerTimeoutMs);
    this.jobs.configure(this.configuredJobs());
    if (!sameLinks) await this.links.configure(peers);
    this.logger.info({ peers: peers.map(({ name }) => name) }, 'configuration reloaded');
    if (waiting.length > 0) this.logger.warn({ code: 'restart-needed' }, `needs a restart: ${waiting.join(', ')}`);
    return waiting;
  }

  /** Takes no more work, finishes what is under way within limits.drainSecondsMax, and lets go of the files. */
  stop(): Promise<void> {
    this.stopping ??= this.drain().finally(() => this.resolveStopped(null));
    return this.stopping;
  }

  private get settings(): DaemonSettings {
    return this.inEffect.settings;
  }

  private comparisons() {
    return {
      services: this.databases.all().map(({ service }) => service),
      targetsOf: (database: string) => this.links.targets({ databases: [database], peers: [] }),
      verification: this.verification,
      waitMsMax: this.settings.limits.verifyWaitMsMax,
      logger: this.logger,
      onBug: (error: unknown) => this.fail(error),
    };
  }

  private configuredJobs(): Job[] {
    const orderFor = ({ name }: DatabaseService) => this.pruneOrder(this.databases.find(name), null);
    return configuredJobs(this.settings, { ...this.comparisons(), orderFor });
  }

  private async listen(): Promise<void> {
    const { settings, logger, databases, metrics } = this;
    const { listen: address, admin, limits, serverTls: tls } = settings;
    const onBug = (error: unknown) => this.fail(error);
    if (address !== null) {
      const secrets = () => this.inEffect.secrets;
      this.server = await startServer({ address, tls, secrets, databases, metrics, limits, logger, onBug });
    }
    if (admin !== null) {
      this.admin = await startAdminServer({ address: admin.listen, databases, metrics, limits, logger });
    }
    const [first] = databases.all() as [ServedDatabase];
    this.control = await ControlServer.listen(
      first.service.side.controlSocketPath,
      (request, onProgress, signal) => this.onControl(request, onProgress, signal),
      onBug,
    );
    for (const { service, presence } of databases.all()) {
      service.lock.announce(this.control.path);
      service.start();
      presence.start();
    }
    for (const { service } of databases.all()) service.onAdvanced(() => this.gapClosing.request());
    await this.links.configure(settings.peers);
    this.gapClosing.request();
    this.jobs.start();
    const listen = this.address === null ? 'nowhere' : formatListenAddress(this.address);
    logger.info(
      { node: settings.node, listen, databases: databases.all().map(({ service }) => service.name) },
      'started',
    );
  }

  private async onControl(
    request: ControlRequest,
    onProgress: (progress: ControlProgress) => void,
    signal: AbortSignal,
  ): Promise<unknown> {
    switch (request.verb) {
      case 'status':
        return this.status();
      case 'sync':
        return this.links.sync(request, onProgress, signal);
      case 'compare':
        return this.compare(request, onProgress, signal);
      case 'prune':
        return this.pruneNow(request);
      case 'pause':
        return this.links.pause(request.peer);
      case 'resume':
        return this.links.resume(request.peer);
      case 'quarantine':
        return decideKept(this.databases.find(request.database).service, request);
      case 'hold':
        return this.hold(request.path, () => onProgress({ held: true }), signal);
      case 'set-rules':
        return setServedRules(request, this.servedRules(request.database, signal));
      case 'include-tables':
        return includeServedTables(request, this.servedRules(request.database, signal));
      case 'recover-rules':
        return recoverServedRules(request, this.servedRules(request.database, signal));
      case 'backup':
        return this.backUp(request, onProgress, signal);
      case 'stop':
        // The answer must be on its way before the socket it goes through is closed.
        setImmediate(() => void this.stop());
        return null;
    }
  }

  private servedRules(database: string, signal: AbortSignal): ServedRules {
    const { service } = this.databases.find(database);
    return { service, targets: () => this.links.targets({ databases: [database], peers: [] }), signal };
  }

  private compare(
    { database, peers, tables, mode }: CompareRequest,
    onProgress: (progress: SyncProgress) => void,
    signal: AbortSignal,
  ): Promise<VerifiedPeer[]> {
    const { verifyWaitMsMax: waitMsMax } = this.settings.limits;
    const targets = this.links.targets({ databases: [database], peers });
    return this.verification.run(targets, { tables, mode, waitMsMax, onProgress, signal });
  }

  private hold(path: string, onHeld: () => void, gone: AbortSignal): Promise<void> {
    const { links, logger, holds } = this;
    return holdDatabase(this.databases.at(path), { links, logger, onHeld, gone, stopping: holds.signal });
  }

  private backUp(
    request: BackupRequest,
    onProgress: (progress: BackupProgress) => void,
    signal: AbortSignal,
  ): Promise<BackupReport> {
    const { service } = this.databases.find(request.database);
    return backUpOnRequest(service, request, { limits: this.settings.limits, onProgress, signal });
  }

  private async drain(): Promise<void> {
    this.logger.info('stopping');
    this.holds.abort();
    this.onStopping();
    for (const { presence } of this.databases.all()) presence.stop();
    const deadline = AbortSignal.timeout(this.settings.limits.drainSecondsMax * 1000);
    const jobs = this.jobs.stop();
    await this.links.close();
    await this.verification.stop();
    await jobs;
    await this.gapClosing.stop();
    await this.server?.close(deadline);
    await this.admin?.close(deadline);
    await Promise.all(this.databases.all().map(({ service }) => service.stop()));
    await this.control?.close(deadline);
    this.logger.info('stopped');
  }

  /** What a daemon cannot go on with: it stops, and whoever supervises it starts it again. */
  private fail(error: unknown): void {
    if (this.stopping !== null) return;
    logFatal(this.logger, error);
    this.stopping = this.drain().finally(() => this.resolveStopped(error));
  }

  private serve(service: DatabaseService): ServedDatabase {
    const log = this.logger.child({ database: service.name });
    const onChange = ({ name, state }: PeerRecord, error: SqlsyncError | null) => {
      if (this.stopping !== null) return;
      this.gapClosing.request();
      if (error === null) log.info({ peer: name }, `peer ${state}`);
      else log.warn({ peer: name, code: error.code, hint: error.hint }, `peer ${state}: ${error.message}`);
    };
    const presence = new Presence(service.side, this.settings.prune.peerTimeoutMs);
    return { service, peers: new PeerBook([], onChange), presence };
  }

  private addressOf({ name, url, fingerprint: fingerprints }: PeerConfig, service: DatabaseService): PeerAddress {
    const { clientTls: tls, limits } = this.settings;
    const proofs = new PeerProofs((freshness) => credentialsFor(service, this.inEffect.secrets, name, freshness));
    return { name, url, proofs, fingerprints, tls, limits };
  }

  private pruneNow({ databases, keepLogMs, dryRun }: PruneOrder & { readonly databases: readonly string[] }) {
    const asked = this.databases.all().filter(({ service }) => databases.includes(service.name));
    return Promise.all(
      asked.map((served) => pruneDatabase(served.service, { ...this.pruneOrder(served, keepLogMs), dryRun })),
    );
  }

  private pruneOrder({ presence }: ServedDatabase, keepLogMs: number | null): Omit<PruneRequest, 'dryRun'> {
    const { prune } = this.settings;
    const eviction = { silentMsMax: prune.peerTimeoutMs, listeningSinceMs: presence.sinceMs };
    return { keep: { ...prune, keepLogMs: keepLogMs ?? prune.keepLogMs }, eviction };
  }
}
