#!/usr/bin/env bash
# Makes a Debian package of a release: the program in /usr/lib/sqlsync, the command, manual pages, completion, the scripts
# for cron, and the template sqlsync@.service. It is as made here: it needs no compiler and no network where it is installed.
#
# Usage: build-deb.sh [--release RELEASE] FOLDER
#   FOLDER    where sqlsync_VERSION_ARCH.deb goes
#   RELEASE   a folder that build-release.sh has made; without one it is made here
# Environment: DEBFULLNAME and DEBEMAIL of the maintainer, DEB_REVISION (1), SOURCE_DATE_EPOCH.
set -euo pipefail
cd "$(dirname "$0")/.."

release=''
if [[ ${1:-} == --release && $# -gt 1 ]]; then release=$(realpath "$2") && shift 2; fi
if (($# != 1)); then
  echo 'Usage: build-deb.sh [--release RELEASE] FOLDER' >&2
  exit 2
fi
mkdir -p "$1"
folder=$(realpath "$1")

version=$(node -p 'require("./package.json").version')-${DEB_REVISION:-1}
maintainer="${DEBFULLNAME:-the sqlsync developers} <${DEBEMAIL:-sqlsync@localhost}>"
built=$(date --utc --rfc-email --date "@${SOURCE_DATE_EPOCH:-$(date +%s)}")
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
if [[ -z $release ]]; then release=$(scripts/build-release.sh "$work/release"); fi

lib=$root/usr/lib/sqlsync share=$root/usr/share
mkdir -p "$lib" "$share/sqlsync" "$share/man/man1" "$share/doc/sqlsync" "$share/lintian/overrides" \
  "$share/bash-completion/completions" "$root/usr/bin" "$root/usr/lib/systemd/system" "$root/DEBIAN"
cp -a "$release"/{bin,dist,node_modules,package.json,oclif.manifest.json} "$lib/"
# All licences are told in one place, as Debian wants it, and those that every Debian machine has by where they are.
cat LICENSE >"$share/doc/sqlsync/copyright"
find "$lib/node_modules" -type f \( -iname 'license*' -o -iname 'licence*' -o -iname 'copying*' \) | LC_ALL=C sort |
  while IFS= read -r licence; do
    printf '\n\n%s\n\n' "${licence#"$lib"/}"
    if grep -q 'Grant of Copyright License' "$licence"; then
      echo 'Apache License, Version 2.0: /usr/share/common-licenses/Apache-2.0'
    else
      cat "$licence"
    fi
    rm "$licence"
  done >>"$share/doc/sqlsync/copyright"
strip --strip-unneeded "$lib/node_modules/better-sqlite3/build/Release/better_sqlite3.node"
ln -s ../lib/sqlsync/bin/run.js "$root/usr/bin/sqlsync"
cp "$release/share/"{backup,cleanup}.sh "$share/sqlsync/"
cp "$release/share/man/man1/"*.1 "$share/man/man1/"
cp "$release/share/completion/sqlsync" "$share/bash-completion/completions/sqlsync"
cp CHANGELOG.md "$share/doc/sqlsync/changelog"
cp deploy/debian/lintian-overrides "$share/lintian/overrides/sqlsync"
"$release/bin/run.js" service print --template --program /usr/bin/sqlsync >"$root/usr/lib/systemd/system/sqlsync@.service"
cat >"$share/doc/sqlsync/changelog.Debian" <<CHANGELOG
sqlsync ($version) unstable; urgency=medium

  * What is new is in changelog.gz.

 -- $maintainer  $built
CHANGELOG
gzip --best --no-name "$share/doc/sqlsync/changelog" "$share/doc/sqlsync/changelog.Debian" "$share/man/man1/"*.1

# Modes as Debian has them: only what is run can be run, by everybody.
find "$root" -type d -exec chmod 755 {} +
find "$root" -type f -exec chmod 644 {} +
chmod 755 "$share/sqlsync/"*.sh
# A script that names its interpreter can be run, as its package has it.
grep --recursive --files-with-matches --null --max-count=1 --binary-files=without-match '^#!' "$lib" |
  xargs -0 --no-run-if-empty awk 'FNR == 1 && /^#!/ { printf "%s%c", FILENAME, 0 } FNR > 1 { nextfile }' |
  xargs -0 --no-run-if-empty chmod 755

cat >"$root/DEBIAN/control" <<CONTROL
Package: sqlsync
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du --summarize --block-size=1024 "$root/usr" | cut -f1)
Depends: nodejs (>= 20.15), libc6 (>= 2.34), libgcc-s1, libstdc++6
Recommends: systemd
Suggests: prometheus, sqlite3
Section: database
Priority: optional
Description: multi-writer replication for SQLite files
 Replicates SQLite files between nodes that may all write, without a change
 of the application: triggers record what it writes, and a daemon ships that
 to the other nodes and applies what comes from them. What two nodes wrote
 without knowing of each other is merged, or kept in a conflict record.
CONTROL
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
chmod 644 "$root/DEBIAN/"*

package=$folder/sqlsync_${version}_${architecture}.deb
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
