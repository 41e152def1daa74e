/**
 * A command's side of the daemon's control socket. See control-protocol.ts. It speaks through Node's own HTTP client:
 * every command comes by here, and a larger one takes longer to load than to answer.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { isErrorCode, SqlsyncError } from '../../errors.js';
import type { BackupProgress, BackupReport, BackupRequest } from '../../operations/backup/backup-report.js';
import type {
  ChangedInclusion,
  ChangedRules,
  IncludeRequest,
  PrunedHistory,
  PruneOrder,
  QuarantineDecision,
  QuarantineRequest,
  RecoveredRules,
  RulesRecovery,
  SetRulesRequest,
} from '../../operations/running-daemon.js';
import type { CompareRequest, VerifiedPeer } from '../../operations/verify-report.js';
import type { DaemonStatus } from '../daemon-status.js';
import { readLockHolder } from '../file/database-lock.js';
import { SideDirectory } from '../file/side-directory.js';
import {
  CONTROL_PATH,
  type ControlRequest,
  controlLineSchema,
  type SyncProgress,
  type SyncResult,
} from './control-protocol.js';

/** A file that a daemon leaves alone. */
export interface HeldFile {
  /** Resolves when it no longer does: it was let go, or has stopped. */
  readonly ended: Promise<void>;
  letGo(): void;
}

export class ControlClient {
  private constructor(
    private readonly socketPath: string,
    readonly pid: number,
  ) {}

  /** The daemon that serves the file, if one does and answers; `realPath` has its symlinks resolved. */
  static async find(realPath: string): Promise<ControlClient | null> {
    const holder = readLockHolder(SideDirectory.at(realPath));
    if (holder === null || holder.controlSocket === null) return null;
    const client = new ControlClient(holder.controlSocket, holder.pid);
    try {
      await client.status();
      return client;
    } catch (error) {
      if (error instanceof SqlsyncError && error.code === 'daemon-down') return null;
      throw error;
    }
  }

  status(): Promise<DaemonStatus> {
    return this.ask({ verb: 'status' }) as Promise<DaemonStatus>;
  }

  /** Empty lists: all databases, all peers. */
  sync(
    which: { readonly databases: string[]; readonly peers: string[] },
    onProgress?: (progress: SyncProgress) => void,
    signal?: AbortSignal,
  ): Promise<SyncResult[]> {
    return this.ask({ verb: 'sync', ...which }, onProgress, signal) as Promise<SyncResult[]>;
  }

  compare(
    { database, peers, tables, mode }: CompareRequest,
    onProgress?: (progress: SyncProgress) => void,
    signal?: AbortSignal,
  ): Promise<VerifiedPeer[]> {
    const request: ControlRequest = {
      verb: 'compare',
      database,
      peers: [...peers],
      tables: tables && [...tables],
      mode,
    };
    return this.ask(request, onProgress, signal) as Promise<VerifiedPeer[]>;
  }

  prune(databases: readonly string[], order: PruneOrder): Promise<PrunedHistory[]> {
    return this.ask({ verb: 'prune', databases: [...databases], ...order }) as Promise<PrunedHistory[]>;
  }

  async pause(peer: string): Promise<void> {
    await this.ask({ verb: 'pause', peer });
  }

  async resume(peer: string): Promise<void> {
    await this.ask({ verb: 'resume', peer });
  }

  backUp(
    request: BackupRequest,
    onProgress?: (progress: BackupProgress) => void,
    signal?: AbortSignal,
  ): Promise<BackupReport> {
    return this.ask({ verb: 'backup', ...request }, onProgress, signal) as Promise<BackupReport>;
  }

  decideQuarantine({ ids, ...request }: QuarantineRequest): Promise<QuarantineDecision[]> {
    return this.ask({ verb: 'quarantine', ids: [...ids], ...request }) as Promise<QuarantineDecision[]>;
  }

  /**
   * Has the daemon leave a file alone; resolves when it does. It goes on when it is let go, and when this process dies.
   */
  hold(realPath: string): Promise<HeldFile> {
    const asking = new AbortController();
    return new Promise((resolve, reject) => {
      const onHeld = () => resolve({ ended, letGo: () => asking.abort() });
      const ended = this.ask({ verb: 'hold', path: realPath }, onHeld, asking.signal).then(() => {}, reject);
    });
  }

  setRules(request: SetRulesRequest, signal?: AbortSignal): Promise<ChangedRules> {
    return this.ask({ verb: 'set-rules', ...request }, () => {}, signal) as Promise<ChangedRules>;
  }

  includeTables(request: IncludeRequest, signal?: AbortSignal): Promise<ChangedInclusion> {
    return this.ask({ verb: 'include-tables', ...request }, () => {}, signal) as Promise<ChangedInclusion>;
  }

  recoverRules(request: RulesRecovery, signal?: AbortSignal): Promise<RecoveredRules> {
    return this.ask({ verb: 'recover-rules', ...request }, () => {}, signal) as Promise<RecoveredRules>;
  }

  async stop(): Promise<void> {
    await this.ask({ verb: 'stop' });
  }

  /** What a request is answered with on its way is progress of the kind that belongs to it. */
  private async ask<Progress>(
    request: ControlRequest,
    onProgress: (progress: Progress) => void = () => {},
    signal?: AbortSignal,
  ): Promise<unknown> {
    try {
      const body = await this.post(JSON.stringify(request), signal);
      let rest = '';
      for await (const piece of body) {
        const lines = (rest + piece).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const said = controlLineSchema.parse(JSON.parse(line));
          if ('result' in said) return said.result;
          if ('error' in said) throw errorFromDaemon(said.error);
          onProgress(said.progress as Progress);
        }
      }
      throw new SqlsyncError('daemon-down', 'the daemon stopped before it answered', { hint: 'sqlsync start' });
    } catch (error) {
      signal?.throwIfAborted();
      throw isGone(error)
        ? new SqlsyncError('daemon-down', 'no daemon answers', { hint: 'sqlsync start', cause: error })
        : error;
    }
  }

  /** The daemon's answer as it comes; one that is not read to its end is closed by whoever stops reading. */
  private post(text: string, signal: AbortSignal | undefined): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { socketPath } = this;
      httpRequest({ socketPath, path: CONTROL_PATH, method: 'POST', agent: false, ...(signal && { signal }) })
        .on('response', (response) => resolve(response.setEncoding('utf8')))
        .on('error', reject)
        .end(text);
    });
  }
}

function errorFromDaemon({
  code,
  message,
  hint,
}: {
  code: string;
  message: string;
  hint: string | null;
}): SqlsyncError {
  return new SqlsyncError(isErrorCode(code) ? code : 'bug', message, hint === null ? {} : { hint });
}

/** The socket is not there, nobody listens at it, or whoever did has died. */
function isGone(error: unknown): boolean {
  const { code } = error as { readonly code?: string };
  return code !== undefined && ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(code);
}
