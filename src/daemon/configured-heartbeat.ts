/** The heartbeat as the configuration has it now: none, or one that is begun anew where what it says has changed. */
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config.js';
import { readSecretUrl } from '../secrets.js';
import { Heartbeat, type HeartbeatOptions } from './heartbeat.js';

type HeartbeatConfig = Pick<Config['health'], 'heartbeatUrlFile' | 'heartbeatEveryMs'>;

export class ConfiguredHeartbeat {
  private current: HeartbeatConfig | null = null;
  private heartbeat: Heartbeat | null = null;

  constructor(private readonly options: Pick<HeartbeatOptions, 'readStatus' | 'logger'>) {}

  /** Throws what is wrong with the file that the address is to be read from. */
  static check({ heartbeatUrlFile }: HeartbeatConfig): void {
    if (heartbeatUrlFile !== null) readSecretUrl(heartbeatUrlFile);
  }

  take({ heartbeatUrlFile, heartbeatEveryMs }: HeartbeatConfig): void {
    const wanted = { heartbeatUrlFile, heartbeatEveryMs };
    if (isDeepStrictEqual(wanted, this.current)) return;
    this.stop();
    this.current = wanted;
    if (heartbeatUrlFile === null) return;
    const readUrl = () => readSecretUrl(heartbeatUrlFile);
    this.heartbeat = new Heartbeat({ ...this.options, everyMs: heartbeatEveryMs, readUrl }).start();
  }

  stop(): void {
    this.heartbeat?.stop();
    this.heartbeat = null;
  }
}
