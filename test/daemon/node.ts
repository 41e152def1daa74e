/** Nodes with real daemons in this process: real files, real sockets. The application is an ordinary connection. */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { limitsSchema } from '../../src/config-limits.js';
import type { PeerConfig } from '../../src/config-schema.js';
import { ControlClient } from '../../src/daemon/control/control-client.js';
import { Daemon } from '../../src/daemon/daemon.js';
import type { DaemonSettings } from '../../src/daemon/daemon-settings.js';
import type { PeerFigures } from '../../src/daemon/daemon-status.js';
import { HttpPeer } from '../../src/daemon/peer/http-peer.js';
import { PeerProofs } from '../../src/daemon/peer/peer-proofs.js';
import { receiveSnapshot } from '../../src/daemon/stream/receive-snapshot.js';
import { initialiseNode } from '../../src/replication/initialise.js';
import { planCapture } from '../../src/replication/plan-capture.js';
import { Replica } from '../../src/replication/replica.js';
import { prepareSnapshot } from '../../src/replication/snapshot.js';
import type { Hello } from '../../src/replication/wire-messages.js';
import { WIRE_VERSION, WIRE_VERSION_MIN } from '../../src/replication/wire-messages.js';

export const SECRET = 'a secret of some length';
export const SCHEMA = 'CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, data BLOB)';

/** Bounds under which a test need not wait long for anything. */
export const LIMITS = limitsSchema.parse({
  retryMsMin: 20,
  retryMsMax: 100,
  pollMs: 50,
  heartbeatMs: 200,
  idleTimeoutMs: 2000,
});

const NO_PRUNING: DaemonSettings['prune'] = {
  schedule: null,
  keepLogMs: 0,
  keepConflictsMs: 0,
  keepOperationsMs: 0,
  peerTimeoutMs: 0,
  retainedBytesMax: 0,
};

const hex = (bytes: number) => randomBytes(bytes).toString('hex');

export interface NodeOptions {
  readonly listens?: boolean;
  readonly peers?: readonly Partial<PeerConfig>[];
  readonly limits?: Partial<DaemonSettings['limits']>;
  readonly secrets?: readonly string[];
  readonly journalMode?: string;
  /** 0: any that is free. */
  readonly port?: number;
  readonly admin?: DaemonSettings['admin'];
  readonly prune?: Partial<DaemonSettings['prune']>;
  /** A cron expression: none without it. */
  readonly verifySchedule?: string;
  readonly backup?: DaemonSettings['backup'];
  readonly optimise?: DaemonSettings['optimise'];
  readonly serverTls?: DaemonSettings['serverTls'];
  readonly clientTls?: DaemonSettings['clientTls'];
  readonly wire?: DaemonSettings['wire'];
}

export class TestNode {
  readonly path: string;
  readonly application: Database;
  daemon: Daemon | null = null;
  private isTls = false;

  private constructor(
    readonly folder: string,
    readonly name: string,
    readonly options: NodeOptions,
  ) {
    this.path = join(folder, `${name}.db`);
    this.application = new Sqlite(this.path, { timeout: 5000 });
    onTestFinished(async () => {
      await this.stop();
      this.application.close();
    });
  }

  /** The first node of a data set. */
  static first(folder: string, name: string, options: NodeOptions = {}): TestNode {
    const node = new TestNode(folder, name, options);
    node.application.pragma(`journal_mode = ${options.journalMode ?? 'wal'}`);
    node.application.exec(SCHEMA);
    const identity = { dataset: hex(16), node: name, nodeId: hex(16), nowMs: Date.now() };
    initialiseNode(node.application, identity, planCapture(node.application, { include: [], exclude: [] }));
    return node;
  }

  /** A node that joins by way of a sponsor whose daemon runs. */
  static async joining(sponsor: TestNode, name: string, options: NodeOptions = {}): Promise<TestNode> {
    const path = join(sponsor.folder, `${name}.db`);
    const nodeId = hex(16);
    const client = sponsor.client();
    const request = {
      wireVersion: WIRE_VERSION,
      wireVersionMin: WIRE_VERSION_MIN,
      database: 'shop',
      node: name,
      nodeId,
      access: 'write',
      joins: true,
      rejoining: null,
    } as const;
    await receiveSnapshot({ client, request, path, limits: LIMITS });
    await client.close();
    const db = new Sqlite(path);
    prepareSnapshot(db, { node: name, nodeId, nowMs: Date.now() });
    db.close();
    return new TestNode(sponsor.folder, name, options);
  }

  /** A node whose file is there already. */
  static of(folder: string, name: string, options: NodeOptions = {}): TestNode {
    return new TestNode(folder, name, options);
  }

  /** What the node's daemon runs by. */
  settings(more: NodeOptions = {}): DaemonSettings {
    const options = { ...this.options, ...more };
    const { listens = true, peers = [], limits = {}, secrets = [SECRET], port = 0 } = options;
    return {
      node: this.name,
      listen: listens ? { host: '127.0.0.1', port } : null,
      admin: options.admin ?? null,
      databases: [{ name: 'shop', path: this.path, identity: 'ask' }],
      peers: peers.map(
        (peer) =>
          ({
            databases: ['*'],
            direction: 'both',
            schedule: null,
            live: true,
            fingerprint: null,
            ...peer,
          }) as PeerConfig,
      ),
      limits: { ...LIMITS, ...limits },
      prune: { ...NO_PRUNING, ...options.prune },
      verify: options.verifySchedule === undefined ? null : { schedule: options.verifySchedule },
      backup: options.backup ?? null,
      optimise: options.optimise ?? null,
      log: { level: 'info', format: 'json' },
      secrets,
      serverTls: options.serverTls ?? null,
      clientTls: options.clientTls ?? null,
      ...(options.wire && { wire: options.wire }),
    };
  }

  async start(more: NodeOptions = {}): Promise<this> {
    this.isTls = this.settings(more).serverTls !== null;
    this.daemon = await Daemon.start(this.settings(more), pino({ level: process.env.TEST_LOG ?? 'silent' }));
    return this;
  }

  async stop(): Promise<void> {
    await this.daemon?.stop();
    this.daemon = null;
  }

  /** This node as a peer of another's configuration. */
  get asPeer(): { name: string; url: string } {
    return { name: this.name, url: this.url };
  }

  get url(): string {
    const scheme = this.isTls ? 'https' : 'http';
    return `${scheme}://127.0.0.1:${this.daemon?.address?.port}`;
  }

  client(secret = SECRET): HttpPeer {
    const { name, url } = this;
    const proofs = new PeerProofs(() => ({ authorization: `Bearer ${secret}` }));
    return new HttpPeer({ name, url, proofs, fingerprints: null, tls: null, limits: LIMITS });
  }

  async control(): Promise<ControlClient> {
    const client = await ControlClient.find(this.path);
    if (client === null) throw new Error(`no daemon answers for ${this.path}`);
    return client;
  }

  /** What the node says of itself. */
  async hello(): Promise<Hello> {
    const db = new Sqlite(this.path);
    const handles = { writer: db, reader: db, install: db };
    try {
      return Replica.open({ ...handles, clock: { nowMs: Date.now }, random: { hex }, limits: LIMITS }).hello('shop');
    } finally {
      db.close();
    }
  }

  async peer(name: string): Promise<PeerFigures | undefined> {
    const status = await this.daemon?.status();
    return status?.databases[0]?.peers.find((peer) => peer.name === name);
  }

  insert(id: number, name: string): void {
    this.application.prepare('INSERT INTO item(id, name) VALUES(?, ?)').run(BigInt(id), name);
  }

  names(): string[] {
    return this.application.prepare('SELECT name FROM item ORDER BY id').pluck().all() as string[];
  }
}
