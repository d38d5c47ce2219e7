# shellcheck shell=bash
# Shared by setup, demo and test. Sourced, never run. Kept to what bash 3.2 (macOS) understands.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_dir=$root/build/release

say() { printf '%s\n' "$*"; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# How many things to do at once: the user's CMAKE_BUILD_PARALLEL_LEVEL, else one per core.
job_count() {
  printf '%s\n' "${CMAKE_BUILD_PARALLEL_LEVEL:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}"
}

# Everything the programs cache stays inside the checkout. The CPU driver gets eight workers, since
# with fewer some processes run whole dispatches on one core and every timing turns bimodal.
prepare_environment() {
  mkdir -p "$build_dir/cache"
  export MESA_SHADER_CACHE_DIR=$build_dir/cache WEFT_CACHE_DIR=$build_dir/cache
  export LP_NUM_THREADS=${LP_NUM_THREADS:-8}
}

# run_logged NAME COMMAND...: the output goes to build/release/NAME.log; a failure shows its end.
run_logged() {
  local name=$1 log=$build_dir/$1.log
  shift
  mkdir -p "$build_dir"
  "$@" >"$log" 2>&1 && return 0
  tail -n 40 "$log" >&2
  die "$name failed; the whole log is ${log#"$root"/}"
}

configure() {
  say "Configuring (preset release)"
  (cd "$root" && run_logged configure cmake --preset release) || exit 1
}

# Compiles with ninja's own one-line progress on a terminal, elsewhere a line per fifth of the way.
compile() {
  local jobs log=$build_dir/build.log
  jobs=$(job_count)
  say "Building in build/release ($jobs at a time)"
  if [ -t 1 ]; then
    (cd "$root" && cmake --build --preset release --parallel "$jobs" "$@") || die "the build failed"
    return 0
  fi
  if ! (cd "$root" && cmake --build --preset release --parallel "$jobs" "$@" 2>&1) | tee "$log" |
    awk -F'[][/ ]' '/^\[[0-9]+\/[0-9]+\]/ && $2 * 5 >= $3 * (shown + 1) {
      shown = int($2 * 5 / $3); print "  " $2 " of " $3; fflush() }'; then
    tail -n 40 "$log" >&2
    die "the build failed; the whole log is ${log#"$root"/}"
  fi
}
