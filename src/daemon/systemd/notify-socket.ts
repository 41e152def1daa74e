/**
 * The socket on which systemd hears of its services (sd_notify(3)). Node has no Unix datagram sockets, so each message
 * is a run of `systemd-notify`, which the unit has to allow by NotifyAccess=all; it waits until the message has been
 * read, so one is sent after the other. Nothing that goes wrong here is the daemon's trouble: it is logged once.
 */
import { execFile } from 'node:child_process';
import type { Logger } from 'pino';

/** A message that systemd has not taken by then is given up. */
const SEND_TIMEOUT_MS = 5_000;
/** Messages that wait for those before them; what comes beyond is dropped. */
const MESSAGES_MAX = 16;

export class NotifySocket {
  private tail: Promise<void> = Promise.resolve();
  private waiting = 0;
  private hasFailed = false;

  constructor(private readonly logger: Logger) {}

  /** Is nothing on its way? */
  get isIdle(): boolean {
    return this.waiting === 0;
  }

  /** Sends a message of `NAME=VALUE`, which becomes true of the service all at once. Line breaks would end a value. */
  tell(...assignments: readonly string[]): void {
    if (this.waiting >= MESSAGES_MAX) return;
    this.waiting += 1;
    const words = assignments.map((assignment) => assignment.replaceAll(/\s*\n\s*/g, ' '));
    this.tail = this.tail
      .then(() => this.send(words))
      .finally(() => {
        this.waiting -= 1;
      });
  }

  private send(words: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      execFile('systemd-notify', words, { timeout: SEND_TIMEOUT_MS, killSignal: 'SIGKILL' }, (error) => {
        if (error !== null) this.noteFailure(error);
        resolve();
      });
    });
  }

  private noteFailure(error: Error): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.logger.warn({ error: error.message.trim() }, 'systemd cannot be told how the daemon does');
  }
}
