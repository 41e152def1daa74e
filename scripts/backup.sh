#!/usr/bin/env bash
# A backup for plain cron: backs up, and proves each backup by verifying it. It says nothing when all is well; else what
# went wrong is on standard error, which cron mails, and the exit code is sqlsync's own.
#
#   0 3 * * *  app  /usr/share/sqlsync/backup.sh -c /etc/sqlsync/sqlsync.yml -d shop -d pay
#
# Usage: backup.sh [-c FILE] [-d NAME]… [--to PLACE] [--no-verify]
#   -d NAME      a database of the configuration, any number of times; not needed where there is only one
#   --to PLACE   where to, instead of backup.to of the configuration
#   --no-verify  do not unpack and check each backup once it is made
# Environment: SQLSYNC, another program than sqlsync; SQLSYNC_LOCK_DIR, where the lock is.
# Exit codes are those of sqlsync; of several failures that of the first. 75: another one is still at work.
set -euo pipefail

sqlsync=${SQLSYNC:-sqlsync}
config=() place=() databases=() verify=1

while (($#)); do
  case $1 in
    -c | --config | -d | --database | --to)
      if (($# < 2)); then
        echo "backup.sh: $1 needs a value" >&2
        exit 2
      fi
      case $1 in
        -c | --config) config=(--config "$2") ;;
        -d | --database) databases+=("$2") ;;
        --to) place=(--to "$2") ;;
      esac
      shift 2
      ;;
    --no-verify) verify='' && shift ;;
    *)
      echo "backup.sh: $1 is none of its options" >&2
      exit 2
      ;;
  esac
done

# A folder of the user's own, where nobody else can hold the lock.
lock=${SQLSYNC_LOCK_DIR:-${XDG_RUNTIME_DIR:-${HOME:-/var/lib/sqlsync}}}/.sqlsync-backup.lock
exec 9>"$lock"
if ! flock --nonblock 9; then
  echo "backup.sh: another one is at work ($lock)" >&2
  exit 75
fi

said=$(mktemp)
trap 'rm -f "$said"' EXIT
failed=0

# Runs sqlsync, its document into a variable of that name. What it says is passed on only when it fails.
run() {
  local -n document=$1
  local status=0
  shift
  document=$("$sqlsync" "$@" "${config[@]}" --no-input --json 2>"$said" 9>&-) || status=$?
  if ((status == 0)); then return; fi
  {
    echo "backup.sh: sqlsync $* ended with exit code $status"
    cat "$said"
    printf '%s\n' "$document"
  } >&2
  if ((failed == 0)); then failed=$status; fi
  return "$status"
}

back_up() {
  local made path
  run made backup "${place[@]}" "$@" || return 0
  if [[ -z $verify ]]; then return; fi
  path=$(sed -n 's/^  "path": "\(.*\)",\{0,1\}$/\1/p' <<<"$made")
  run made backup verify "$path" || return 0
}

if ((${#databases[@]} == 0)); then back_up; fi
for database in "${databases[@]}"; do back_up --database "$database"; done
exit "$failed"
