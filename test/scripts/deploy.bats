# deploy.sh with releases that are small scripts, and a systemctl that runs nothing.

bats_require_minimum_version 1.5.0

setup() {
  cd "$BATS_TEST_TMPDIR"
  prefix=$BATS_TEST_TMPDIR/opt
  mkdir stubs
  # The service is active while the file `active` is there.
  cat >stubs/systemctl <<STUB
#!/usr/bin/env bash
echo "\$*" >>"$BATS_TEST_TMPDIR/systemctl"
[[ \$1 != is-active || -e "$BATS_TEST_TMPDIR/active" ]]
STUB
  chmod +x stubs/systemctl
  PATH=$BATS_TEST_TMPDIR/stubs:$PATH
}

# A release whose status ends with the given code, and whose daemon runs or not.
release() {
  local version=$1 code=${2:-0} running=${3:-true} config_code=${4:-0}
  mkdir -p "sqlsync-$version/bin"
  cat >"sqlsync-$version/bin/run.js" <<STUB
#!/usr/bin/env bash
case \$1 in
  --version) echo 'sqlsync/$version linux-x64 node-v20.20.2' ;;
  status) printf '{\n  "node": "paris",\n  "running": $running\n}\n'; exit $code ;;
  config) echo 'mistakes'; exit $config_code ;;
esac
STUB
  chmod +x "sqlsync-$version/bin/run.js"
  tar czf "$version.tgz" "sqlsync-$version"
}

deploy() { run --separate-stderr "$BATS_TEST_DIRNAME/../../scripts/deploy.sh" --prefix "$prefix" --bin "$PWD/bin" --wait 1 "$@"; }
in_use() { readlink "$prefix/current"; }

@test "the first version is put to use, from an archive or a folder, and the command leads to it" {
  release 1.0.0
  deploy 1.0.0.tgz
  [ "$status" -eq 0 ]
  [ "$(in_use)" = 1.0.0 ]
  [ -z "$output" ]
  [[ "$(bin/sqlsync --version)" == sqlsync/1.0.0* ]]
  release 1.1.0
  deploy sqlsync-1.1.0
  [ "$status" -eq 0 ]
  [ "$(in_use)" = 1.1.0 ]
  [[ "$(bin/sqlsync --version)" == sqlsync/1.1.0* ]]
  # The service did not run, and was not started.
  run ! grep restart systemctl
}

@test "a running service is restarted, and a healthy one must be healthy afterwards" {
  release 1.0.0
  release 2.0.0
  deploy 1.0.0.tgz
  touch active
  deploy 2.0.0.tgz
  [ "$status" -eq 0 ]
  [ "$(in_use)" = 2.0.0 ]
  [ "$(grep -c 'restart sqlsync.service' systemctl)" -eq 1 ]
}

@test "one that does not serve, or is no longer healthy, makes way for the version before" {
  release 1.0.0
  release 2.0.0 1 false
  release 3.0.0 1
  deploy 1.0.0.tgz
  touch active
  for version in 2.0.0 3.0.0; do
    deploy "$version.tgz"
    [ "$status" -eq 1 ]
    [[ $stderr == *'went back to 1.0.0, which serves'* ]]
    [ "$(in_use)" = 1.0.0 ]
  done
  [ "$(grep -c 'restart sqlsync.service' systemctl)" -eq 4 ]
}

@test "one that was not healthy before need not be afterwards" {
  release 1.0.0 1
  release 2.0.0 1
  deploy 1.0.0.tgz
  touch active
  deploy 2.0.0.tgz
  [ "$status" -eq 0 ]
  [ "$(in_use)" = 2.0.0 ]
}

@test "one that does not run here, or does not take the configuration, is not put to use" {
  release 1.0.0
  release 2.0.0 0 true 78
  deploy 1.0.0.tgz
  touch active
  deploy 2.0.0.tgz
  [ "$status" -eq 65 ]
  [[ $stderr == *mistakes* ]]
  [ "$(in_use)" = 1.0.0 ]
  mkdir -p empty/sqlsync && tar czf empty.tgz -C empty sqlsync
  deploy empty.tgz
  [ "$status" -eq 65 ]
  [ "$(in_use)" = 1.0.0 ]
  echo damaged >damaged.tgz
  deploy damaged.tgz
  [ "$status" -eq 65 ]
  [ "$(in_use)" = 1.0.0 ]
  # Nothing is left behind.
  [ "$(find "$prefix" -name '.new.*')" = '' ]
}

@test "the same version again is a copy of its own, and old versions go" {
  release 1.0.0
  deploy 1.0.0.tgz
  deploy --keep 1 1.0.0.tgz
  [ "$status" -eq 0 ]
  [[ "$(in_use)" == 1.0.0+* ]]
  for version in 2.0.0 3.0.0 4.0.0; do
    release "$version"
    deploy --keep 2 "$version.tgz"
  done
  [ "$(cd "$prefix" && echo *)" = '3.0.0 4.0.0 current' ]
}

@test "two at once: the second ends with 75" {
  release 1.0.0
  mkdir -p "$prefix"
  exec 8>"$prefix/.deploy.lock"
  flock 8
  deploy 1.0.0.tgz
  [ "$status" -eq 75 ]
  exec 8>&-
  deploy 1.0.0.tgz
  [ "$status" -eq 0 ]
}

@test "what it does not know is usage" {
  for arguments in --frobnicate '' nowhere.tgz '--wait soon nowhere.tgz'; do
    # shellcheck disable=SC2086
    deploy $arguments
    [ "$status" -eq 2 ]
  done
}
