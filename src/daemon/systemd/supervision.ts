/**
 * What systemd hears of a daemon that it runs (Type=notify): READY, RELOADING, STOPPING, a line of STATUS, and WATCHDOG
 * for as long as the daemon gets on with its work. Without NOTIFY_SOCKET in the environment nobody asks, and nothing is
 * said. The watchdog is a timer of the daemon's event loop, so a loop that is stuck says nothing; and it says nothing
 * when an apply has come no step further for longer than a step can take, so that systemd ends a daemon which looks
 * alive and does not work.
 */
import type { Logger } from 'pino';
import { NotifySocket } from './notify-socket.js';

export interface SupervisionOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  /** For MONOTONIC_USEC: nanoseconds of CLOCK_MONOTONIC. */
  readonly monotonicNs: () => bigint;
  readonly logger: Logger;
}

/** The daemon as its supervisor sees it. */
export interface SupervisedDaemon {
  /** How long the slowest step of an apply that is under way has lasted; 0: none is. */
  readonly applyStillMs: number;
  /** A few words on how things are. */
  readonly summary: string;
}

/** Without a watchdog: how often the line of status is brought up to date. */
const STATUS_EVERY_MS = 30_000;
/** A start gets so much more time, again and again. */
const START_EXTENDED_MS = 30_000;
/** Signs of life in the time after which systemd would miss one. sd_watchdog_enabled(3) asks for two. */
const SIGNS_PER_TIMEOUT = 3;

export class Supervision {
  private readonly socket: NotifySocket | null;
  /** Null: nobody waits for signs of life. */
  private readonly watchdogMs: number | null;
  private timer: NodeJS.Timeout | null = null;
  private lastStatus = '';
  /** Why the configuration, or some of it, is the old one; null: it is not. */
  private trouble: string | null = null;
  private isStuck = false;

  constructor(private readonly options: SupervisionOptions) {
    const { environment, pid, logger } = options;
    this.socket = environment.NOTIFY_SOCKET ? new NotifySocket(logger) : null;
    this.watchdogMs = watchdogMs(environment, pid);
  }

  /**
   * The daemon is on its way. A file may have to be backed up first, which takes as long as it is large: for as long as the
   * event loop turns, systemd is asked for more time. All else that a start waits for has bounds of its own.
   */
  starting(): void {
    if (this.socket === null) return;
    const ask = () => this.socket?.tell(`EXTEND_TIMEOUT_USEC=${START_EXTENDED_MS * 1000}`);
    this.timer = setInterval(ask, START_EXTENDED_MS / SIGNS_PER_TIMEOUT);
    this.timer.unref();
  }

  /** @param lockWaitMsMax how long a step may wait for a lock before it begins */
  ready(daemon: SupervisedDaemon, lockWaitMsMax: number): void {
    if (this.socket === null) return;
    this.close();
    this.tellStatus(this.statusOf(daemon), 'READY=1');
    const { watchdogMs } = this;
    const stillMsMax = watchdogMs === null ? Number.POSITIVE_INFINITY : lockWaitMsMax + watchdogMs;
    const everyMs = watchdogMs === null ? STATUS_EVERY_MS : watchdogMs / SIGNS_PER_TIMEOUT;
    this.timer = setInterval(() => this.look(daemon, stillMsMax), everyMs);
    this.timer.unref();
  }

  /** systemd 253 and later want the time at which the reload began, and must hear READY when it is over. */
  reloading(): void {
    this.socket?.tell('RELOADING=1', `MONOTONIC_USEC=${this.options.monotonicNs() / 1000n}`);
  }

  /** @param trouble why the old configuration, or some of it, was kept, if it was: the status says so until another is taken */
  reloaded(daemon: SupervisedDaemon, trouble: string | null): void {
    this.trouble = trouble;
    this.tellStatus(this.statusOf(daemon), 'READY=1');
  }

  stopping(): void {
    this.tellStatus('drains', 'STOPPING=1');
  }

  /** No more signs of life, so that the process can end. */
  close(): void {
    if (this.timer !== null) clearInterval(this.timer);
  }

  private look(daemon: SupervisedDaemon, stillMsMax: number): void {
    const stillMs = daemon.applyStillMs;
    const wasStuck = this.isStuck;
    this.isStuck = stillMs > stillMsMax;
    if (this.isStuck) {
      if (!wasStuck) this.options.logger.error({ stillMs }, 'an apply does not get on: the watchdog is told nothing');
      return;
    }
    const alive = this.watchdogMs === null ? [] : ['WATCHDOG=1'];
    const status = this.statusOf(daemon);
    if (status !== this.lastStatus) this.tellStatus(status, ...alive);
    else if (alive.length > 0 && this.socket?.isIdle) this.socket.tell(...alive);
  }

  private statusOf({ summary }: SupervisedDaemon): string {
    return this.trouble ?? summary;
  }

  private tellStatus(status: string, ...assignments: readonly string[]): void {
    this.lastStatus = status;
    this.socket?.tell(...assignments, `STATUS=${status}`);
  }
}

/** As sd_watchdog_enabled(3): the variables speak of one process, and are inherited by others. */
function watchdogMs({ WATCHDOG_USEC, WATCHDOG_PID }: SupervisionOptions['environment'], pid: number): number | null {
  const timeoutUsec = Number(WATCHDOG_USEC);
  if (!Number.isFinite(timeoutUsec) || timeoutUsec <= 0) return null;
  return WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === pid ? timeoutUsec / 1000 : null;
}
