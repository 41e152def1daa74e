#!/usr/bin/env bash
# For plain cron: removes history that nobody needs, and backups that the configuration does not keep any longer. It says
# nothing when all is well; else what went wrong is on standard error, which cron mails, and the exit code is sqlsync's.
#
#   30 3 * * *  app  /usr/share/sqlsync/cleanup.sh -c /etc/sqlsync/sqlsync.yml -d shop -d pay
#
# Usage: cleanup.sh [-c FILE] [-d NAME]… [--keep-log DURATION] [--no-backups]
#   -d NAME      a database of the configuration, any number of times; not needed where there is only one
#   --keep-log   how long the change log is kept, instead of prune.keepLog of the configuration
#   --no-backups leave the backups alone
# Environment: SQLSYNC, another program than sqlsync; SQLSYNC_LOCK_DIR, where the lock is.
# Exit codes are those of sqlsync; of several failures that of the first. 75: another one is still at work.
set -euo pipefail

sqlsync=${SQLSYNC:-sqlsync}
config=() keep_log=() databases=() backups=1

while (($#)); do
  case $1 in
    -c | --config | -d | --database | --keep-log)
      if (($# < 2)); then
        echo "cleanup.sh: $1 needs a value" >&2
        exit 2
      fi
      case $1 in
        -c | --config) config=(--config "$2") ;;
        -d | --database) databases+=("$2") ;;
        --keep-log) keep_log=(--keep-log "$2") ;;
      esac
      shift 2
      ;;
    --no-backups) backups='' && shift ;;
    *)
      echo "cleanup.sh: $1 is none of its options" >&2
      exit 2
      ;;
  esac
done

# A folder of the user's own, where nobody else can hold the lock.
lock=${SQLSYNC_LOCK_DIR:-${XDG_RUNTIME_DIR:-${HOME:-/var/lib/sqlsync}}}/.sqlsync-cleanup.lock
exec 9>"$lock"
if ! flock --nonblock 9; then
  echo "cleanup.sh: another one is at work ($lock)" >&2
  exit 75
fi

said=$(mktemp)
trap 'rm -f "$said"' EXIT
failed=0

# Runs sqlsync. What it says is passed on only when it fails.
run() {
  local status=0
  "$sqlsync" "$@" "${config[@]}" --no-input >"$said" 2>&1 9>&- || status=$?
  if ((status == 0)); then return; fi
  {
    echo "cleanup.sh: sqlsync $* ended with exit code $status"
    cat "$said"
  } >&2
  if ((failed == 0)); then failed=$status; fi
}

clean_up() {
  run prune "${keep_log[@]}" "$@"
  if [[ $backups ]]; then run backup prune --yes "$@"; fi
}

if ((${#databases[@]} == 0)); then clean_up; fi
for database in "${databases[@]}"; do clean_up --database "$database"; done
exit "$failed"
