#!/usr/bin/env bash
# Installs or upgrades sqlsync on this machine from a release (scripts/build-release.sh), and goes back by itself to the
# version before when the new one does not do as well.
#
# Usage: deploy.sh [-c FILE] [--prefix DIR] [--bin DIR] [--service UNIT] [--wait SECONDS] [--keep N] RELEASE
#   RELEASE     the archive, or the folder that is in it
#   -c FILE     configuration by which it is checked; without one, the usual places
#   --prefix    where versions are kept: DIR/VERSION, and DIR/current, which leads to the one in use (/opt/sqlsync)
#   --bin       where the command is linked (/usr/local/bin)
#   --service   unit that is restarted if it is running (sqlsync.service)
#   --wait      how long the new version may take to serve (60)
#   --keep      how many versions stay, the one in use included (3)
# Exit codes: 0 in use · 1 gone back to the version before · 2 usage · 65 no sound release · 75 another one is at work
set -euo pipefail

config=() prefix=/opt/sqlsync bin=/usr/local/bin service=sqlsync.service wait_seconds=60 keep=3 release=''

say() { printf 'deploy.sh: %s\n' "$*" >&2; }
fail() { say "$2" && exit "$1"; }

while (($#)); do
  case $1 in
    -c | --config | --prefix | --bin | --service | --wait | --keep)
      if (($# < 2)); then fail 2 "$1 needs a value"; fi
      case $1 in
        -c | --config) config=(--config "$(realpath "$2")") ;;
        --prefix) prefix=$(realpath --canonicalize-missing "$2") ;;
        --bin) bin=$(realpath --canonicalize-missing "$2") ;;
        --service) service=$2 ;;
        --wait) wait_seconds=$2 ;;
        --keep) keep=$2 ;;
      esac
      shift 2
      ;;
    -*) fail 2 "$1 is none of its options" ;;
    *)
      if [[ $release ]]; then fail 2 'one release at a time'; fi
      release=$1 && shift
      ;;
  esac
done
if [[ -z $release ]]; then fail 2 'which release?'; fi
if ! [[ -e $release ]]; then fail 2 "$release is not there"; fi
if ! [[ $wait_seconds =~ ^[0-9]+$ && $keep =~ ^[1-9][0-9]*$ ]]; then fail 2 '--wait and --keep take whole numbers'; fi

mkdir -p "$prefix" "$bin"
exec 9>"$prefix/.deploy.lock"
flock --nonblock 9 || fail 75 "another one is at work ($prefix/.deploy.lock)"

current=$prefix/current
sqlsync=$current/bin/run.js
previous=$(readlink "$current" || true)
fresh=$(mktemp -d "$prefix/.new.XXXXXX")
chmod 755 "$fresh"
trap 'rm -rf "$fresh"' EXIT

unpack() {
  if [[ -d $release ]]; then
    cp -a "$release/." "$fresh/"
  else
    tar --extract --gzip --no-same-owner --strip-components=1 --directory "$fresh" --file "$release"
  fi
}

# The version that a tree of files says it is: `sqlsync/1.2.3 linux-x64 node-v20.20.2`.
version_of() { "$1/bin/run.js" --version 9>&- | sed -n 's/^sqlsync\/\([^ /]*\) .*/\1/p'; }

use() {
  ln -sfn "$1" "$current.next"
  mv -T "$current.next" "$current"
}

is_active() { command -v systemctl >/dev/null && systemctl is-active --quiet "$service"; }

# Prints yes when the node is healthy, no when it is not, and nothing while no daemon serves with this version.
health() {
  local document status=0
  document=$("$sqlsync" status --check --json "${config[@]}" 2>/dev/null 9>&-) || status=$?
  grep -q '^  "running": true' <<<"$document" || return 0
  if ((status == 0)); then echo yes; else echo no; fi
}

# Waits until the daemon is as well as it was: serves, and is healthy if it was.
until_as_well_as() {
  local before=$1 deadline=$((SECONDS + wait_seconds)) now
  while ((SECONDS < deadline)); do
    now=$(health)
    if [[ $now == yes || ($now == no && $before != yes) ]]; then return 0; fi
    sleep 1
  done
  return 1
}

unpack || fail 65 "$release cannot be unpacked"
version=$(version_of "$fresh") || version=''
if [[ -z $version ]]; then fail 65 "$release does not run here: bin/run.js --version says nothing"; fi

was_active='' before=''
if is_active; then was_active=1; fi
if [[ $was_active && $previous ]]; then before=$(health); fi
if [[ $was_active ]] && ! said=$("$fresh/bin/run.js" config check "${config[@]}" 2>&1 9>&-); then
  fail 65 "version $version does not take the configuration, and was not put to use: $said"
fi

# A version that is in use is replaced by a fresh copy beside it: files of a program that runs do not change.
target=$version
if [[ $previous == "$version" ]]; then target=$version+$(date -u +%Y%m%dT%H%M%SZ); fi
rm -rf "${prefix:?}/$target"
mv "$fresh" "$prefix/$target"
use "$target"
ln -sfn "$sqlsync" "$bin/sqlsync"

if [[ $was_active ]]; then
  if ! { systemctl restart "$service" && until_as_well_as "$before"; }; then
    say "version $version does not serve as well as the one before within $wait_seconds s"
    "$sqlsync" status "${config[@]}" >&2 9>&- || true
    if [[ -z $previous ]]; then fail 1 "there is no version before; see journalctl -u $service"; fi
    use "$previous"
    systemctl restart "$service" || true
    if until_as_well_as "$before"; then fail 1 "went back to $previous, which serves"; fi
    fail 1 "went back to $previous, which does not serve either; see journalctl -u $service (format-newer: the files have been upgraded, and go back as docs/operations.md says under Upgrade)"
  fi
fi

# Versions that nobody goes back to any more: neither the one in use, nor the one before it.
mapfile -t old < <(find "$prefix" -mindepth 1 -maxdepth 1 -type d -not -name '.*' -printf '%T@ %f\n' | sort -rn | cut -d' ' -f2-)
kept=0
for name in "${old[@]}"; do
  kept=$((kept + 1))
  if ((kept > keep)) && [[ $name != "$target" && $name != "$previous" ]]; then rm -rf "${prefix:?}/$name"; fi
done
say "version $version is in use${previous:+, $previous before it}"
