# backup.sh and cleanup.sh against a program that records how it is called and ends as it is told.

bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
  export SQLSYNC_LOCK_DIR=$BATS_TEST_TMPDIR CALLS=$BATS_TEST_TMPDIR/calls
  scripts=$BATS_TEST_DIRNAME/../../scripts
  mkdir bin
  # FAIL holds lines `PATTERN CODE`: a call that matches says so, and ends with that code.
  cat >bin/sqlsync <<'STUB'
#!/usr/bin/env bash
echo "$*" >>"$CALLS"
echo 'words about the work' >&2
[[ -z ${WAIT_FOR:-} ]] || until [[ -e $WAIT_FOR ]]; do sleep 0.02; done
while read -r line; do
  pattern=${line% *}
  if [[ $pattern && "$*" == *$pattern* ]]; then echo "stub: $pattern failed" >&2; exit "${line##* }"; fi
done <<<"${FAIL:-}"
case $1 in
  backup) printf '{\n  "path": "/backups/a b.gz",\n  "bytes": 1\n}\n' ;;
  prune) echo '3 entries removed' ;;
esac
STUB
  chmod +x bin/sqlsync
  PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

@test "a backup is made and verified, and nothing is said" {
  run --separate-stderr "$scripts/backup.sh" -c my.yml --to /backups
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  [ -z "$stderr" ]
  [ "$(cat calls)" = 'backup --to /backups --config my.yml --no-input --json
backup verify /backups/a b.gz --config my.yml --no-input --json' ]
}

@test "several databases are backed up one after the other, also when one fails, whose code it ends with" {
  FAIL='backup --database shop 74' run --separate-stderr "$scripts/backup.sh" -d shop -d pay --no-verify
  [ "$status" -eq 74 ]
  [ -z "$output" ]
  [[ $stderr == *'sqlsync backup --database shop ended with exit code 74'*'stub: backup --database shop failed'* ]]
  [ "$(cat calls)" = 'backup --database shop --no-input --json
backup --database pay --no-input --json' ]
}

@test "a backup that does not verify ends with the code of that" {
  FAIL='backup verify 1' run --separate-stderr "$scripts/backup.sh"
  [ "$status" -eq 1 ]
  [[ $stderr == *'/a b.gz ended with exit code 1'* ]]
}

@test "cleanup prunes history and backups, and says nothing" {
  run --separate-stderr "$scripts/cleanup.sh" --config my.yml --keep-log 3d -d shop
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  [ -z "$stderr" ]
  [ "$(cat calls)" = 'prune --keep-log 3d --database shop --config my.yml --no-input
backup prune --yes --database shop --config my.yml --no-input' ]
}

@test "cleanup goes on after a failure, and ends with the first code" {
  FAIL=$'prune --no 75\nbackup prune 77' run --separate-stderr "$scripts/cleanup.sh"
  [ "$status" -eq 75 ]
  [[ $stderr == *'exit code 75'*'exit code 77'* ]]
  FAIL='' run "$scripts/cleanup.sh" --no-backups
  [ "$status" -eq 0 ]
  [ "$(tail -n 1 calls)" = 'prune --no-input' ]
}

@test "one that finds another at work ends with 75, and does nothing" {
  for script in backup cleanup; do
    rm -f calls go
    WAIT_FOR=$BATS_TEST_TMPDIR/go "$scripts/$script.sh" 3>&- &
    first=$!
    until [[ -e calls ]]; do sleep 0.02; done
    run --separate-stderr "$scripts/$script.sh"
    [ "$status" -eq 75 ]
    [[ $stderr == *'another one is at work'* ]]
    [ "$(wc -l <calls)" -eq 1 ]
    touch go
    wait "$first"
  done
}

@test "what they do not know is usage" {
  for script in backup cleanup; do
    run "$scripts/$script.sh" --frobnicate
    [ "$status" -eq 2 ]
    run "$scripts/$script.sh" -c
    [ "$status" -eq 2 ]
  done
  [ ! -e calls ]
}
