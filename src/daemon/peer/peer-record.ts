/**
 * What this node knows of its dealings with one peer over one database, whoever dials: figures for status, and the one
 * live connection between the two.
 */
import { type ErrorBody, EXIT, SqlsyncError } from '../../errors.js';
import type { Answer, Question } from '../../replication/compare-messages.js';
import type { RuleAnswer, RuleQuestion } from '../../replication/rule-messages.js';
import type { Hello } from '../../replication/wire-messages.js';
import { PeerSessions } from './peer-sessions.js';

export type PeerState = 'online' | 'offline' | 'syncing' | 'paused' | 'stale' | 'error';
export type Direction = 'both' | 'push' | 'pull';

/** A live connection, as whoever finds it in a record may use it. */
export interface PeerConnection {
  readonly isDialed: boolean;
  /** Resolves when it is over: with null in good order, else with why. */
  readonly closed: Promise<SqlsyncError | null>;
  /** Both sides then have what the other had when this was called. Rejects when the connection ends before. */
  sync(): Promise<void>;
  /** Asks the peer about its rows. Rejects when the connection ends before the answer. */
  ask(question: Question): Promise<Answer>;
  askRules(question: RuleQuestion): Promise<RuleAnswer>;
  close(): void;
  /** Closes it because another one between the same two nodes is kept. */
  closeAsDuplicate(): void;
}

/** The node ids of both ends. */
export interface NodeIds {
  readonly here: string;
  readonly there: string;
}

/** Within so long of each other two connections may have been dialed from both sides at one moment. */
const CROSSING_MS = 5_000;

/** One of the two cannot go on before it has rejoined. */
const STALE_CODES: readonly string[] = ['stale', 'member-removed'];

/** Failures that only say that the peer cannot be reached just now. */
const OFFLINE_CODES: readonly string[] = ['peer-unreachable', 'peer-timeout', 'interrupted', 'migrating'];

export class PeerRecord {
  direction: Direction = 'both';
  isPaused = false;
  lastContactAt: Date | null = null;
  clockSkewSeconds: number | null = null;
  /** Tables of which the peer keeps rows aside until its application's migration. */
  behind: readonly string[] = [];
  /** What the peer said last of its tables; null: it has not been in touch. */
  schemaHash: string | null = null;
  rowsSent = 0;
  rowsReceived = 0;
  bytesSent = 0;
  bytesReceived = 0;
  lastError: ErrorBody | null = null;
  /** Why the peer does not take what this node sends over a connection that both keep making; null: it does. */
  private refusal: ErrorBody | null = null;
  private exchanging = 0;
  private isReachable = false;
  private live: PeerConnection | null = null;
  private adoptedMs = 0;
  private readonly sessions = new PeerSessions();

  constructor(
    /** The peer's node name. */
    readonly name: string,
    /** Called when the state has changed, with the failure that changed it. */
    private readonly onChange: (record: PeerRecord, error: SqlsyncError | null) => void = () => {},
  ) {}

  get connection(): PeerConnection | null {
    return this.live;
  }

  get state(): PeerState {
    if (this.isPaused) return 'paused';
    // Another try is under way, or will be: that is no news.
    if (this.isReachable && this.refusal !== null) return 'error';
    if (this.exchanging > 0) return 'syncing';
    if (this.isReachable) return 'online';
    if (this.lastError === null || PeerRecord.isOffline(this.lastError)) return 'offline';
    return STALE_CODES.includes(this.lastError.code) ? 'stale' : 'error';
  }

  /** The peer has spoken. Throws `node-name-taken` when two processes do in its name: nothing is exchanged with either. */
  heard(hello: Hello, nowMs: number): void {
    if (this.sessions.hear(hello.session, nowMs) === 'one of two') {
      this.live?.close();
      throw new SqlsyncError(
        'node-name-taken',
        `two processes speak as node ${this.name}: one serves a copy of its file`,
        {
          hint: `stop the daemon of the copy, and type there: sqlsync identity DB --copied`,
        },
      );
    }
    this.lastContactAt = new Date(nowMs);
    this.behind = hello.behind;
    this.schemaHash = hello.schemaHash;
    this.clockSkewSeconds = Math.round((hello.clockMs - nowMs) / 100) / 10;
  }

  /** A stream is under way; call what it returns when it is over. */
  begin(): () => void {
    this.exchanging += 1;
    return () => {
      this.exchanging -= 1;
    };
  }

  /** An exchange came to its end. */
  succeeded(): void {
    this.change(() => {
      this.refusal = null;
      this.isReachable = true;
      this.lastError = null;
    }, null);
  }

  /** The peer has broken off a connection over what this node sent: to make another proves nothing. */
  refused(error: SqlsyncError): void {
    this.change(() => {
      this.refusal = error.toBody();
      this.lastError = this.refusal;
    }, error);
  }

  /**
   * This node has refused a peer that came to it. The peer is told why; so is whoever looks here, unless it passes by
   * itself: that the peer cannot be reached would be no answer where it is there and has been sent away.
   */
  turnedAway(error: SqlsyncError): void {
    if (error.exitCode !== EXIT.tryAgain) this.failed(error);
  }

  /** The peer has taken what this node sent, or lacks nothing. */
  took(): void {
    if (this.refusal !== null) this.succeeded();
  }

  failed(error: SqlsyncError): void {
    this.change(() => {
      this.isReachable = this.live !== null;
      this.lastError = error.toBody();
    }, error);
  }

  /**
   * Takes in a live connection that has been greeted. Two nodes that dial each other at one moment both keep the
   * connection that the node with the lower id has dialed. Otherwise the newer one is kept: nobody dials who has a
   * connection, so the other side knows nothing of the older one any more. Returns whether this one is kept.
   */
  adopt(connection: PeerConnection, ids: NodeIds, nowMs = performance.now()): boolean {
    const held = this.live;
    const isCrossing = held !== null && held.isDialed !== connection.isDialed && nowMs - this.adoptedMs < CROSSING_MS;
    if (isCrossing && held.isDialed === ids.here < ids.there) {
      connection.closeAsDuplicate();
      return false;
    }
    this.live = connection;
    this.adoptedMs = nowMs;
    held?.closeAsDuplicate();
    this.change(() => {
      this.isReachable = true;
      this.lastError = this.refusal;
    }, null);
    return true;
  }

  /** The connection is over. One that was not kept changes nothing. */
  release(connection: PeerConnection, error: SqlsyncError | null): void {
    if (this.live !== connection) return;
    this.change(() => {
      this.live = null;
      this.isReachable = false;
      if (error !== null) this.lastError = error.toBody();
    }, error);
  }

  /** Is this a failure that only says that the peer cannot be reached just now? */
  static isOffline({ code }: Pick<ErrorBody, 'code'>): boolean {
    return OFFLINE_CODES.includes(code);
  }

  private change(apply: () => void, error: SqlsyncError | null): void {
    const before = this.key();
    apply();
    if (this.key() !== before) this.onChange(this, error);
  }

  /** What counts as a change worth telling: the state, and in trouble which trouble. */
  private key(): string {
    return this.isReachable && this.refusal === null ? 'online' : `down ${this.lastError?.code}`;
  }
}
