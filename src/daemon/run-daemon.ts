/**
 * A daemon as a process: SIGTERM and SIGINT drain it, a second one ends it at once, SIGHUP has it
 * read its configuration anew. systemd is told of each, if it runs the process.
 */
import type { Logger } from 'pino';
import { EXIT, SqlsyncError } from '../errors.js';
import { Daemon } from './daemon.js';
import type { DaemonSettings } from './daemon-settings.js';
import { logFatal } from './log-fatal.js';
import { Supervision } from './systemd/supervision.js';

export interface RunDaemonOptions {
  /** Reads and checks the configuration and all it points to: at the start, and on SIGHUP. */
  readonly readSettings: () => DaemonSettings;
  readonly logger: Logger;
  /** Where a supervisor says how it is to be told. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Called when the daemon serves. */
  readonly onStarted?: (daemon: Daemon) => void;
  /** Called when it has taken over what has been read last. */
  readonly onReloaded?: () => void;
}

/** Runs until it is told to stop. Throws what kept it from starting, or from going on. */
export async function runDaemon(options: RunDaemonOptions): Promise<void> {
  const { readSettings, logger, environment, onStarted } = options;
  let daemon: Daemon | null = null;
  const { pid, hrtime } = process;
  const supervision = new Supervision({ environment, pid, monotonicNs: hrtime.bigint, logger });
  const asked = new AbortController();
  const stop = () => {
    if (asked.signal.aborted) process.exit(EXIT.interrupted);
    asked.abort(new SqlsyncError('interrupted', 'stopped before it served'));
    void daemon?.stop();
  };
  let reloading = Promise.resolve();
  const reload = () => {
    const running = daemon;
    // One that is still starting has read what there is.
    if (running === null) return;
    reloading = reloading.then(() => reloadOrKeep(running, supervision, options)).catch(stopWith(running, logger));
  };
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', reload);
  try {
    const settings = readSettings();
    supervision.starting();
    daemon = await Daemon.start(settings, logger, asked.signal);
    daemon.onStopping = () => supervision.stopping();
    supervision.ready(daemon, settings.limits.lockWaitMsMax);
    if (asked.signal.aborted) void daemon.stop();
    onStarted?.(daemon);
    const cause = await daemon.stopped;
    if (cause !== null) throw cause;
  } catch (error) {
    if (error !== asked.signal.reason) throw error;
    logger.info('stopped before it served');
  } finally {
    supervision.close();
    process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGHUP', reload);
  }
}

/** A configuration that cannot be taken changes nothing. */
async function reloadOrKeep(
  daemon: Daemon,
  supervision: Supervision,
  { readSettings, logger, onReloaded }: RunDaemonOptions,
): Promise<void> {
  supervision.reloading();
  let settings: DaemonSettings;
  try {
    settings = readSettings();
  } catch (error) {
    if (!(error instanceof SqlsyncError)) throw error;
    daemon.keepConfiguration();
    const trouble = `kept the old configuration: ${error.message}`;
    logger.error({ code: error.code, hint: error.hint }, trouble);
    supervision.reloaded(daemon, trouble);
    return;
  }
  const waiting = await daemon.reload(settings);
  onReloaded?.();
  supervision.reloaded(daemon, waiting.length === 0 ? null : `needs a restart: ${waiting.join(', ')}`);
}

function stopWith(daemon: Daemon, logger: Logger) {
  return (error: unknown) => {
    logFatal(logger, error);
    void daemon.stop();
  };
}
