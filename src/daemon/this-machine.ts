/** What this machine gives to the operations that commands call: files, time, chance, and the daemon if one runs. */
import { randomBytes } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import type { ChangePeersDeps } from '../operations/change-peers.js';
import type { Machine } from '../operations/machine.js';
import type { StatusDeps } from '../operations/read-status.js';
import type { FindDaemon } from '../operations/running-daemon.js';
import { ControlClient } from './control/control-client.js';
import { pausedPeers, writePausedPeers } from './file/paused-peers.js';
import { SideDirectory } from './file/side-directory.js';
import { localFiles } from './local-files.js';

export const thisMachine: Machine = {
  files: localFiles,
  paused: {
    read: (realPath) => pausedPeers(SideDirectory.at(realPath)),
    write: (realPath, names) => writePausedPeers(SideDirectory.open(realPath), names),
  },
  random: { hex: (bytes) => randomBytes(bytes).toString('hex') },
  now: () => new Date(),
  hostname: hostname(),
  get operator() {
    return operatorName();
  },
  env: process.env,
};

/** A user id without a name, as in a container, is a name too. */
function operatorName(): string {
  const { SUDO_USER, USER } = process.env;
  if (SUDO_USER) return SUDO_USER;
  try {
    return userInfo().username;
  } catch {
    return USER ?? `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

export const findDaemon: FindDaemon = (realPath) => ControlClient.find(realPath);

export const changePeersDeps: ChangePeersDeps = {
  ...thisMachine,
  findDaemon,
  reloadDaemon: (pid) => process.kill(pid, 'SIGHUP'),
};

/** @param version of the program */
export function statusDeps(version: string): StatusDeps {
  return { ...thisMachine, findDaemon, version };
}
