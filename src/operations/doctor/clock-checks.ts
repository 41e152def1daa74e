/** Clocks: what is later wins, so a clock that runs wrong wins or loses conflicts that it should not. */
import { renderSeconds } from '../../render-figures.js';
import { hlcToMs } from '../../replication/hlc.js';
import { type DatabaseFinding, found, listed } from './finding.js';

/** A skew beyond this decides conflicts that people would decide otherwise. */
const SKEW_SECONDS_MAX = 2;
const BEHIND_SECONDS_MAX = 2;

const SET_CLOCK = 'timedatectl set-ntp true, or set up chrony';

export function checkClock(isSynchronised: boolean | null): DatabaseFinding[] {
  if (isSynchronised === null) {
    return [
      found(
        'clock-unknown',
        'whether a time server keeps the clock is not known here',
        'see that one does: timedatectl, chronyc tracking',
      ),
    ];
  }
  return isSynchronised ? [] : [found('clock-unsynchronised', 'no time server keeps the clock', SET_CLOCK)];
}

export interface StampFacts {
  /** The highest HLC that the file knows; null: sqlsync is not installed in it. */
  readonly latestHlc: number | null;
  readonly nowMs: number;
  /** Peers by name; null: not in touch since the daemon started. */
  readonly skews: readonly { readonly peer: string; readonly seconds: number | null }[];
  /** `limits.clockAheadSecondsMax` */
  readonly aheadSecondsMax: number;
}

export function checkStamps({ latestHlc, nowMs, skews, aheadSecondsMax }: StampFacts): DatabaseFinding[] {
  const aheadSeconds = latestHlc === null ? 0 : (hlcToMs(latestHlc) - nowMs) / 1000;
  const behind =
    aheadSeconds <= BEHIND_SECONDS_MAX
      ? []
      : [
          found(
            'clock-behind-stamps',
            `the latest change is stamped ${renderSeconds(aheadSeconds)} later than this machine's clock: it was set back, or another node's runs ahead`,
            `set the clocks right (${SET_CLOCK}); new changes are stamped after the latest all the same`,
          ),
        ];
  const silent = skews.filter(({ seconds }) => seconds === null).map(({ peer }) => peer);
  return [
    ...behind,
    ...inSilence(silent),
    ...skews.flatMap(({ peer, seconds }) => inSkew(peer, seconds, aheadSecondsMax)),
  ];
}

function inSilence(peers: readonly string[]): DatabaseFinding[] {
  if (peers.length === 0) return [];
  const message = `how far the clocks of ${listed(peers)} are from this one is not known: a daemon learns it when it is in touch`;
  return [found('clock-skew-unknown', message, 'sqlsync start, and look again')];
}

function inSkew(peer: string, seconds: number | null, aheadSecondsMax: number): DatabaseFinding[] {
  const distance = Math.abs(seconds ?? 0);
  if (seconds === null || distance <= SKEW_SECONDS_MAX) return [];
  const side = seconds > 0 ? 'ahead of' : 'behind';
  const message = `the clock of ${peer} is ${renderSeconds(distance)} ${side} this one`;
  if (distance > aheadSecondsMax) {
    return [
      found(
        'clock-refused',
        `${message}, more than limits.clockAheadSecondsMax: nothing is exchanged`,
        `on both machines: ${SET_CLOCK}`,
      ),
    ];
  }
  return [found('clock-skewed', `${message}: where both write, the one ahead wins`, `on both machines: ${SET_CLOCK}`)];
}
