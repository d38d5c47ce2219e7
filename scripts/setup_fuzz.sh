# shellcheck shell=bash
# Sourced by setup: Clang 19 with its runtime libraries, which only scripts/fuzz needs. Older ones do
# not take C++23's <expected> from GCC's library.

# shellcheck disable=SC2154
install_for_fuzzing() {
  local apt_get=(env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=600)
  local log=$build_dir/setup.log packages=(clang-19 libclang-rt-19-dev) source
  if printf 'int main() {}' | clang++-19 -fsanitize=fuzzer-no-link,address -x c++ -o /dev/null - \
    >/dev/null 2>&1; then
    return 0
  fi
  command -v apt-get >/dev/null ||
    die "fuzzing needs Clang 19 or later with libFuzzer, as clang++-19 on the path"
  if [ "$(id -u)" != 0 ]; then apt_get=(sudo -n "${apt_get[@]}"); fi
  mkdir -p "$build_dir"
  say "setup: installing ${packages[*]} for fuzzing"
  "${apt_get[@]}" update >>"$log" 2>&1 || true
  # Where LLVM's library already comes from Debian 13, with its CPU driver, so must the compiler.
  for source in "" "-t trixie"; do
    # shellcheck disable=SC2086
    "${apt_get[@]}" install --no-install-recommends --no-remove $source "${packages[@]}" \
      >>"$log" 2>&1 && return 0
  done
  tail -n 5 "$log" >&2
  die "Clang 19 could not be installed; the whole log is ${log#"$root"/}"
}
