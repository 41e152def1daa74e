/**
 * What each error of the registry means and what to do about it, in Markdown: the tables of docs/errors.md say the same
 * (a test compares, and writes them with RECORD_GOLDEN=1), and `sqlsync explain` prints it.
 */

export interface Words {
  readonly meaning: string;
  readonly remedy: string;
}

export const ERROR_WORDS = {
  usage: {
    meaning: 'The command line cannot be understood, or lacks a confirmation.',
    remedy: 'Read the hint; `sqlsync COMMAND --help` shows every flag.',
  },
  'database-missing': {
    meaning: 'There is no file at the path.',
    remedy: 'Check the path; sqlsync creates no databases.',
  },
  'database-replaced': {
    meaning: 'The file’s contents were replaced, or put back to an earlier state, while a daemon served it.',
    remedy:
      'Start the daemon again: it goes on from what the file holds now, and what it lacks comes from the others. Stop it before a file is restored.',
  },
  'database-not-sqlite': {
    meaning: 'The file is no SQLite database, or is encrypted.',
    remedy: 'Check the path. Encrypted databases are not supported.',
  },
  'database-damaged': {
    meaning: 'SQLite found the file malformed.',
    remedy:
      'Stop writing to it. `sqlite3 FILE "PRAGMA integrity_check"` says what is wrong; restore a backup with `sqlsync restore --as rejoin`.',
  },
  'database-read-only': {
    meaning: 'The file, its folder or its file system allows no writing.',
    remedy: 'Give the user of sqlsync write permission on the file and on its folder.',
  },
  'database-permission': {
    meaning: 'The user of sqlsync may not open the file.',
    remedy: "Run sqlsync as the application's user, or give it a common group.",
  },
  'database-locked': {
    meaning: 'The application held its lock for longer than `limits.lockWaitMsMax`.',
    remedy: 'Try again; look for a transaction that the application leaves open.',
  },
  'database-in-use': {
    meaning: 'Another sqlsync process works on this file.',
    remedy: 'Use the running daemon (`sqlsync status`), or stop it first.',
  },
  'database-not-initialised': {
    meaning: 'sqlsync is not installed in this file.',
    remedy: '`sqlsync init DB`, or `sqlsync join URL DB` to take part in what exists.',
  },
  'database-has-rows': {
    meaning: '`join` would overwrite or mix rows that are there.',
    remedy: 'Choose: `--replace` drops them, `--merge` joins both.',
  },
  'database-ambiguous': {
    meaning: 'The configuration has several databases, and none was named.',
    remedy: 'Add `--database NAME`.',
  },
  'disk-full': {
    meaning: 'The file system is full.',
    remedy: 'Free space; nothing was half written. `sqlsync prune` shows what history can go.',
  },
  'disk-io': {
    meaning: 'Reading or writing a file failed.',
    remedy: "Check the path in the message, and the system's log for a failing disk.",
  },
  'backup-missing': {
    meaning: 'There is no such backup, or its manifest is missing.',
    remedy: '`sqlsync backup list --to DIR` shows what is there. A backup and its `.json` belong together.',
  },
  'backup-damaged': {
    meaning: 'A backup is not what it was when it was made.',
    remedy: 'Take another: `sqlsync backup list`, then `sqlsync backup verify FILE`. Look at the disk that it is on.',
  },
  'backup-key': {
    meaning: 'A backup is encrypted and no key opens it, or a key file holds no age key.',
    remedy: 'Name the file with the secret key: `--key-file FILE`, or `backup.keyFile`.',
  },
  'backup-store': {
    meaning: 'The place of the backups cannot be reached, read or written.',
    remedy: 'See the message: permissions of the folder, or the address and the credentials of the bucket.',
  },
  'journal-remains': {
    meaning: 'A `-wal` or `-journal` beside the file holds what an application has committed last, or left half done.',
    remedy:
      'Open the file once, so that it goes in: `sqlite3 FILE "PRAGMA wal_checkpoint(TRUNCATE)"`. If the file is past that, move both aside.',
  },
  'already-running': {
    meaning: 'The same job runs already.',
    remedy: 'Wait for its end: `sqlsync status`.',
  },
  'table-refused': {
    meaning: 'A table has no key that tells its rows apart, or a shape that cannot replicate.',
    remedy:
      'Give it a primary key, or leave it out with the `--exclude` line of the hint; rename one whose name begins with `_sqlsync_`.',
  },
  'format-newer': {
    meaning: 'A newer sqlsync has written this file.',
    remedy: 'Upgrade sqlsync on this machine, or [go back](operations.md#upgrade) to a backup from before.',
  },
  'format-older': {
    meaning: 'An older sqlsync has written this file, and nobody has upgraded it yet.',
    remedy: '`sqlsync start`, or a restart of the daemon, backs the file up and upgrades it.',
  },
  'private-schema-unavailable': {
    meaning: 'This build of SQLite does not behave as applying changes needs.',
    remedy: 'Install sqlsync with the SQLite it brings along; report it.',
  },
  'config-missing': {
    meaning: 'No configuration was found, or it cannot be read.',
    remedy: '`sqlsync init DB` writes one; `--config FILE` names one.',
  },
  'config-invalid': {
    meaning: 'The configuration has mistakes; the message lists all of them.',
    remedy: 'Mend the lines it names, then `sqlsync config check`.',
  },
  'secret-missing': {
    meaning: 'There is no secret, or one is too short to be one.',
    remedy: 'Name a `secretFile`, or set `SQLSYNC_SECRET`; `openssl rand -base64 32` makes one.',
  },
  'secret-exposed': {
    meaning: 'Other users can read the secret file.',
    remedy: '`chmod 600 FILE`; if others may have read it, exchange the secret.',
  },
  'listen-failed': {
    meaning: 'The address cannot be listened on.',
    remedy: 'See who has the port (`ss -ltnp`), or change `listen`.',
  },
  'peer-unreachable': {
    meaning: 'No connection to the peer.',
    remedy: 'Check that it runs, its URL, and the network between. Changes wait until it is back.',
  },
  'peer-timeout': {
    meaning: 'The peer connected but did not answer in time.',
    remedy: 'Try again; see its status and load.',
  },
  'peer-unknown': {
    meaning: 'No peer has this name.',
    remedy: '`sqlsync peers` lists them.',
  },
  'quarantine-unknown': {
    meaning: 'No quarantined change has this id.',
    remedy:
      '`sqlsync quarantine` lists them; one that has gone in, or that a newer change has replaced, is there no more.',
  },
  'feed-full': {
    meaning: 'As many programs follow the feed of changes (`/v1/changes`) as this node allows.',
    remedy: 'End one of them, or raise `limits.feedSubscribersMax`.',
  },
  'peer-wrong-secret': {
    meaning: "The peer does not accept this node's secret, or the other way round.",
    remedy: 'Put the same secret in both secret files; while exchanging one, both lines in both files.',
  },
  'peer-refused': {
    meaning: 'The peer does not let this node do this.',
    remedy: 'Ask its operator: direction, access and membership are decided there.',
  },
  'peer-certificate': {
    meaning: 'The peer shows another certificate than the one whose fingerprint is in the configuration.',
    remedy:
      "If it was replaced: compare the fingerprint on the peer's machine and set `peers[].fingerprint`. If not, somebody stands between the two: change nothing.",
  },
  'credential-unknown': {
    meaning: 'The key that a node shows is not known to the node that it dials.',
    remedy:
      'A new one is known once the node that issued it has been in touch with the others; else have it invited again: `sqlsync invite NODE`.',
  },
  'credential-revoked': {
    meaning: 'The credentials of a node have been revoked: members exchange nothing with it.',
    remedy: 'If that is a mistake: invite it under a new name, and there `sqlsync join INVITE DB --replace`.',
  },
  'proof-outdated': {
    meaning: 'What was to prove who asks is for a challenge that has passed, or has been used: it may be a recording.',
    remedy:
      'Nodes make another by themselves. If the log of a node tells of many, somebody sends what he has recorded: exchange what he has recorded it from.',
  },
  'invite-refused': {
    meaning: "The invitation is none of the node's that it leads to: another database, another name, or made up.",
    remedy: 'Have a new one made: `sqlsync invite NODE`.',
  },
  'invite-used': {
    meaning: 'The invitation was good once, and somebody has used it.',
    remedy: 'Have a new one made. If it was not you who used it: `sqlsync members revoke NODE`.',
  },
  'invite-expired': {
    meaning: 'The invitation was not used in time.',
    remedy: 'Have a new one made; `--expires` says for how long.',
  },
  'rate-limited': {
    meaning: 'Too many requests from this address proved nothing, or asked for too much.',
    remedy: 'Mend the credentials of whoever asks, and try again in a minute.',
  },
  'peer-failed': {
    meaning: 'The peer failed while answering, or cannot take what is sent: its disk is full, say.',
    remedy: 'The message has its words; see its status and log. It is tried again.',
  },
  'wire-version': {
    meaning: 'The two nodes speak no common version.',
    remedy: 'Upgrade the older one.',
  },
  'dataset-mismatch': {
    meaning: 'The two files belong to different data sets.',
    remedy: 'If they are to become one: `sqlsync join URL DB --merge`.',
  },
  'database-unknown': {
    meaning: 'The peer has no database of this name.',
    remedy: 'Give it the same `name` on every node.',
  },
  'schema-differs': {
    meaning: 'Rows wait on a node whose tables cannot hold them yet.',
    remedy:
      "Run the application's migration on the node that the message names. Rows of a table that all have dropped go by themselves.",
  },
  'rules-differ': {
    meaning: 'The nodes have different rules for a table.',
    remedy: '`sqlsync rules` shows who has adopted which.',
  },
  'rules-changing': {
    meaning:
      'A change of the rules is under way: a member has agreed to it, and exchanges nothing until it hears the outcome.',
    remedy:
      'Nothing: it ends by itself. Where it does not, the message names the node that decides: start its daemon. One that is gone for good: `sqlsync members remove NAME`, then `sqlsync rules recover` on a node that is left.',
  },
  'rules-not-agreed': {
    meaning:
      'The rules were not changed: in no try did all members have the same, or one of them was busy. Nothing has changed.',
    remedy: 'Type it again, when less is written; the message says what was in the way.',
  },
  'encoding-differs': {
    meaning: 'The files store text in different encodings.',
    remedy: "Recreate one with the other's `PRAGMA encoding`.",
  },
  'identity-unknown': {
    meaning:
      'The file was last served at another path and is another file too: it may be a copy of a node that goes on elsewhere.',
    remedy:
      '`sqlsync identity DB --moved`, `--restored` or `--copied`: the message says which is what. Where files move by design: `identity: trust` in `sqlsync.yml`.',
  },
  'node-name-taken': {
    meaning: 'Two live nodes have the same name.',
    remedy: 'Rename one: `node` in its configuration.',
  },
  'clock-ahead': {
    meaning: "A node's clock runs ahead by more than `limits.clockAheadSecondsMax`.",
    remedy: "Set that machine's clock (`timedatectl`), then let it try again.",
  },
  stale: {
    meaning:
      'One of two nodes was away for longer than the other keeps history, or is an older copy; the message names it.',
    remedy: 'On that node `sqlsync rejoin`: it seeds itself afresh, and keeps what only it has.',
  },
  'member-removed': {
    meaning: 'The node that the message names has been removed from the data set, or has come back under another file.',
    remedy: 'On that node `sqlsync rejoin`.',
  },
  'member-unknown': {
    meaning: 'The data set has no such member.',
    remedy: '`sqlsync members` lists them.',
  },
  'member-read-only': {
    meaning: 'The node that the message names is a read-only member: nobody takes what is written or decided there.',
    remedy:
      'Type the command on another member; or, if this one should write, there: `sqlsync members set NAME --access write`.',
  },
  'catching-up': {
    meaning: 'The node is in the middle of a large catch-up, and claims nothing until it is whole.',
    remedy:
      'Nothing: it ends by itself. `sqlsync status` tells how many rows are in no table meanwhile, and whether a peer must send the rest again.',
  },
  migrating: {
    meaning:
      "An application's migration runs on the node (`sqlsync migrate`): nothing is applied or shipped until it is over, and nothing is lost.",
    remedy:
      'Wait for it. If nothing runs any more, it was cut short: `sqlsync start` or `sqlsync init DB` puts the triggers back, and says of which tables it does not know what was written.',
  },
  'batch-damaged': {
    meaning: 'A received stream is cut off or fails its checksum. Nothing of it was applied.',
    remedy: 'It is fetched again by itself; if it stays, look at proxies in between.',
  },
  'batch-oversized': {
    meaning: 'A received frame or stream is larger than `limits` allow. Nothing of it was applied.',
    remedy: 'Raise the limit that the message names, on the receiving node.',
  },
  'batch-refused': {
    meaning: 'A received stream breaks the protocol. Nothing of it was applied.',
    remedy: 'Compare versions of both nodes; report it.',
  },
  'batch-outdated': {
    meaning: 'A batch waited to be applied while every member acknowledged more than its sender had known.',
    remedy: 'Nothing: it is dropped and pulled anew by itself.',
  },
  'unsent-changes': {
    meaning: 'What was asked for would lose changes that no other node has.',
    remedy: '`sqlsync sync` first, or `--force` to lose them.',
  },
  'conflict-unknown': {
    meaning: 'There is no conflict with this id.',
    remedy: '`sqlsync conflicts` lists them; records that are old and closed are removed in time.',
  },
  'row-changed': {
    meaning: "Somebody has written a conflict's row since it was settled or decided; it was left alone.",
    remedy: '`sqlsync conflicts show ID`; `--force` writes over what is there now.',
  },
  'resolution-refused': {
    meaning:
      "A decision about a conflict cannot be carried out: a constraint, a column or table that is gone, a side that is nobody's.",
    remedy: 'The message says which; the hint names rows in the way.',
  },
  'changes-aside': {
    meaning:
      "Row versions exist only in sqlsync's own tables: parked in a half applied catch-up, quarantined, or held for a migration.",
    remedy:
      'Let the catch-up end, or run the migration, first. `uninstall --force --dry-run` says what would be lost here; other nodes keep what they have.',
  },
  'root-needed': {
    meaning: 'Units of the system belong to root.',
    remedy: 'Type it with `sudo`, or look first: `--dry-run`.',
  },
  'service-foreign': {
    meaning: 'A unit file of that name is not one that sqlsync wrote, or was edited since.',
    remedy: 'Put your changes into a drop-in (`systemctl edit UNIT`) and move the file away, then again.',
  },
  'systemctl-failed': {
    meaning: 'systemd refused or failed to do what it was asked.',
    remedy: 'The message has its words; `systemctl status UNIT` and `journalctl -u UNIT` say more.',
  },
  'timed-out': {
    meaning: '`--timeout` was over before the work was done.',
    remedy: 'Try again with a longer one.',
  },
  interrupted: {
    meaning: 'Stopped by a signal, by Ctrl-C, or by the answer "no".',
    remedy: 'Nothing: what was not finished was not done.',
  },
  bug: {
    meaning: 'sqlsync met something that it holds impossible.',
    remedy: 'Run it again with `--verbose` and report what it prints.',
  },
} as const satisfies Record<string, Words>;
