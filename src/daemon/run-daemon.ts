/**
 * A daemon as a process: SIGTERM and SIGINT drain it, a second one ends it at once, SIGHUP reads secrets and peers anew.
 */
import type { Logger } from 'pino';
import { EXIT, SqlsyncError } from '../errors.js';
import { Daemon, type DaemonSettings } from './daemon.js';

export interface RunDaemonOptions {
  /** Reads and checks the configuration and all it points to: at the start, and on SIGHUP. */
  readonly readSettings: () => DaemonSettings;
  readonly logger: Logger;
  /** Called when the daemon serves. */
  readonly onStarted?: (daemon: Daemon) => void;
}

/** Runs until it is told to stop. Throws what kept it from starting, or from going on. */
export async function runDaemon({ readSettings, logger, onStarted }: RunDaemonOptions): Promise<void> {
  let daemon: Daemon | null = null;
  const asked = new AbortController();
  const stop = () => {
    if (asked.signal.aborted) process.exit(EXIT.interrupted);
    asked.abort(new SqlsyncError('interrupted', 'stopped before it served'));
    void daemon?.stop();
  };
  const reload = () => {
    // One that is still starting has read what there is.
    if (daemon !== null) reloadOrKeep(daemon, readSettings, logger).catch(stopWith(daemon, logger));
  };
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', reload);
  try {
    daemon = await Daemon.start(readSettings(), logger, asked.signal);
    if (asked.signal.aborted) void daemon.stop();
    onStarted?.(daemon);
    const cause = await daemon.stopped;
    if (cause !== null) throw cause;
  } catch (error) {
    if (error !== asked.signal.reason) throw error;
    logger.info('stopped before it served');
  } finally {
    process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGHUP', reload);
  }
}

/** A configuration that cannot be taken changes nothing. */
async function reloadOrKeep(daemon: Daemon, readSettings: () => DaemonSettings, logger: Logger): Promise<void> {
  let settings: DaemonSettings;
  try {
    settings = readSettings();
  } catch (error) {
    if (!(error instanceof SqlsyncError)) throw error;
    daemon.keepConfiguration();
    logger.error({ code: error.code, hint: error.hint }, `kept the old configuration: ${error.message}`);
    return;
  }
  await daemon.reload(settings);
}

function stopWith(daemon: Daemon, logger: Logger) {
  return (error: unknown) => {
    logger.fatal({ err: error }, 'the daemon cannot go on');
    void daemon.stop();
  };
}
