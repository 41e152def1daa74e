#!/usr/bin/env bash
# Makes the folder that a release consists of: the program with the packages it needs, manual pages, completion and the
# scripts for cron. deploy.sh installs it, build-deb.sh makes a Debian package of it. After `npm ci`; it takes packages
# from node_modules, and downloads nothing.
#
# Usage: build-release.sh [--no-build] FOLDER|ARCHIVE.tar.gz
set -euo pipefail
cd "$(dirname "$0")/.."

build=1
if [[ ${1:-} == --no-build ]]; then build='' && shift; fi
if (($# != 1)); then
  echo 'Usage: build-release.sh [--no-build] FOLDER|ARCHIVE.tar.gz' >&2
  exit 2
fi
out=$(realpath --canonicalize-missing "$1")
if [[ -e $out ]]; then
  echo "build-release.sh: $out is there already" >&2
  exit 2
fi

version=$(node -p 'require("./package.json").version')
if [[ $build ]]; then npm run --silent build; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/sqlsync-$version
mkdir -p "$tree/share"
cp -a bin dist package.json oclif.manifest.json README.md CHANGELOG.md LICENSE "$tree/"
rm -f "$tree/bin/dev.js"
find "$tree/dist" -name '*.map' -delete
cp scripts/backup.sh scripts/cleanup.sh "$tree/share/"
npx tsx scripts/build-man.ts "$tree/share/man/man1" >/dev/null
npx tsx scripts/build-completion.ts "$tree/share/completion/sqlsync" >/dev/null

# What the program needs when it runs; a package that needs another version of one has it within.
mapfile -t packages < <(npm ls --omit=dev --all --parseable | tail -n +2 | sed "s|^$PWD/||" | grep -v 'node_modules/.*/node_modules/')
cp -a --parents "${packages[@]}" "$tree/"
# Of what is compiled the result stays, and of each package what is run.
find "$tree/node_modules/better-sqlite3" -mindepth 1 -maxdepth 1 \
  ! -name build ! -name lib ! -name package.json ! -name LICENSE -exec rm -rf {} +
find "$tree/node_modules/better-sqlite3/build" -mindepth 1 ! -path '*/build/Release' \
  ! -path '*/build/Release/better_sqlite3.node' -delete
find "$tree/node_modules" -depth -type d \( -name test -o -name tests -o -name docs -o -name examples -o -name integration \
  -o -name benchmarks -o -name '.?*' \) ! -path '*/lib/*' ! -path '*/dist/*' -exec rm -rf {} +
find "$tree/node_modules" -type f \( -name '*.map' -o -name '*.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.sh' \
  -o -name '*.html' -o -iname 'readme*' -o -iname 'changelog*' -o -iname 'history.md' -o -name '.*' \) -delete
find "$tree/node_modules" -type d -empty -delete

"$tree/bin/run.js" --version >/dev/null
if [[ $out == *.tar.gz ]]; then
  mkdir -p "$(dirname "$out")"
  tar --create --gzip --owner=0 --group=0 --sort=name --directory "$work" --file "$out" "sqlsync-$version"
else
  mkdir -p "$(dirname "$out")"
  cp -a "$tree" "$out"
fi
echo "$out"
