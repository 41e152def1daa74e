/** What is wrong with the configuration, and with the files that it points to, without it being a mistake in it. */
import type { Config } from '../../config.js';
import { formatListenAddress, isLoopback } from '../../listen-address.js';
import { shellWord } from '../../shell-word.js';
import { type DatabaseFinding, found } from './finding.js';
import type { FileEntry } from './host.js';

const WRITABLE_BY_OTHERS = 0o022;
/** A group may read it, as `ssl-cert` does on Debian. */
const READABLE_BY_ALL = 0o004;

export interface ConfigurationFacts {
  readonly config: Pick<Config, 'file' | 'admin' | 'tls'>;
  readonly entryOf: (path: string) => FileEntry | null;
}

export function checkConfiguration({ config, entryOf }: ConfigurationFacts): DatabaseFinding[] {
  const findings: DatabaseFinding[] = [];
  const file = entryOf(config.file);
  if (file !== null && (file.mode & WRITABLE_BY_OTHERS) !== 0) {
    const message = `others can write ${config.file}: they decide what runs as this user`;
    findings.push(found('config-writable', message, `chmod go-w ${shellWord(config.file)}`));
  }
  const key = config.tls?.key ?? null;
  if (key !== null && ((entryOf(key)?.mode ?? 0) & READABLE_BY_ALL) !== 0) {
    findings.push(
      found('key-file-exposed', `every user can read the private key ${key}`, `chmod o-r ${shellWord(key)}`),
    );
  }
  const admin = config.admin?.listen ?? null;
  if (admin !== null && !isLoopback(admin.host)) {
    const message = `probes and metrics are to be had from other machines (admin.listen ${formatListenAddress(admin)}), and need no credential`;
    findings.push(found('admin-open', message, 'keep others from the port by a firewall, or listen on 127.0.0.1'));
  }
  return findings;
}
