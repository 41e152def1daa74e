/** What this machine gives to the operations that commands call: files, time, chance, and the daemon if one runs. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Config } from '../config.js';
import { limitsSchema } from '../config-limits.js';
import type { ChangePeersDeps } from '../operations/change-peers.js';
import type { DecideQuarantineDeps } from '../operations/decide-quarantine.js';
import type { DoctorDeps } from '../operations/doctor/doctor-deps.js';
import type { InviteDeps } from '../operations/invite-node.js';
import type { Machine } from '../operations/machine.js';
import type { MemberKeys } from '../operations/member-keys.js';
import type { PruneDeps } from '../operations/prune-databases.js';
import type { StatusDeps } from '../operations/read-status.js';
import type { OperationDeps } from '../operations/record-operation.js';
import type { FindDaemon } from '../operations/running-daemon.js';
import { ControlClient } from './control/control-client.js';
import { addInvite, digestOfSecret } from './file/invite-store.js';
import { JobHistory } from './file/job-history.js';
import { readMemberKey, writeMemberKey } from './file/member-key-file.js';
import { pausedPeers, writePausedPeers } from './file/paused-peers.js';
import { SideDirectory } from './file/side-directory.js';
import { operatorName } from './host/operator-name.js';
import { thisHost } from './host/this-host.js';
import { localFiles } from './local-files.js';

export const thisMachine: Machine = {
  files: localFiles,
  paused: {
    read: (realPath) => pausedPeers(SideDirectory.at(realPath)),
    write: (realPath, names) => writePausedPeers(SideDirectory.open(realPath), names),
  },
  jobs: { read: (realPath) => new JobHistory(SideDirectory.at(realPath)).all() },
  random: { hex: (bytes) => randomBytes(bytes).toString('hex') },
  now: () => new Date(),
  hostname: hostname(),
  get operator() {
    return operatorName();
  },
  env: process.env,
};

export const memberKeys: MemberKeys = {
  read: (realPath, node) => readMemberKey(SideDirectory.at(realPath), node),
  write: (realPath, key) => writeMemberKey(SideDirectory.open(realPath), key),
};

export const inviteDeps: InviteDeps = {
  ...thisMachine,
  keys: memberKeys,
  invites: {
    add: (realPath, { secret, ...invite }, nowMs) =>
      addInvite(SideDirectory.open(realPath), { ...invite, digest: digestOfSecret(secret) }, nowMs),
  },
};

export const findDaemon: FindDaemon = (realPath) => ControlClient.find(realPath);

export const changePeersDeps: ChangePeersDeps = {
  ...thisMachine,
  findDaemon,
  reloadDaemon: (pid) => process.kill(pid, 'SIGHUP'),
};

/** A decision without a daemon serves the file for as long as it takes, which is loaded only then. */
export function decideQuarantineDeps({ limits }: Pick<Config, 'limits'>): DecideQuarantineDeps {
  const decideOnce: DecideQuarantineDeps['decideOnce'] = async (database, request) =>
    (await import('./decide-once.js')).decideOnce(database, request, limits);
  return { ...thisMachine, findDaemon, decideOnce };
}

/** Without a daemon this process serves the files for as long as it takes, which is loaded only then. */
export function pruneDeps(config: Pick<Config, 'limits' | 'prune'>): PruneDeps {
  const pruneOnce: PruneDeps['pruneOnce'] = async (databases, request) =>
    (await import('./prune-once.js')).pruneOnce(databases, request, config);
  return { files: localFiles, findDaemon, pruneOnce };
}

/** @param version of the program */
export function statusDeps(version: string): StatusDeps & OperationDeps {
  return { ...thisMachine, findDaemon, version };
}

/** @param version of the program */
export function doctorDeps(version: string): DoctorDeps {
  return { ...thisMachine, host: thisHost, findDaemon, version };
}

/**
 * What holds a file serves it if need be, and is loaded only then.
 * @param config null: there is none, and a file is held by the defaults
 */
export function migrateDeps(config: Config | null) {
  const limits = config?.limits ?? limitsSchema.parse({});
  const hold = async ({ database: name, path }: { readonly database: string; readonly path: string }) => {
    const [{ holdFile }, { createLogger }] = await Promise.all([import('./hold-file.js'), import('./logger.js')]);
    const logger = createLogger({ level: 'silent', format: 'json', destination: process.stderr, environment: {} });
    const identity = config?.databases.find((database) => database.name === name)?.identity ?? 'ask';
    return holdFile({ path: localFiles.locate(path), database: { name, path, identity }, limits, logger });
  };
  return { ...thisMachine, findDaemon, limits, hold };
}
