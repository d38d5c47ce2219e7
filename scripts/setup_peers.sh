# shellcheck shell=bash
# Sourced by setup: what weft_bench compares Weft with, none of which Weft needs. Each is tried without
# touching anything else; what can't be had is said.

peers_log=$build_dir/peers.log

# apt_peers SUITE...: ggml with its Vulkan backend, from the first suite that has it ("" is the system's own).
apt_peers() {
  local apt_get=(env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=600)
  if [ "$(id -u)" != 0 ]; then apt_get=(sudo -n "${apt_get[@]}"); fi
  local suite
  for suite in "$@"; do
    "${apt_get[@]}" install --no-install-recommends --no-remove "libggml-dev$suite" "libggml0$suite" \
      "libggml0-backend-vulkan$suite" >>"$peers_log" 2>&1 && return 0
  done
  return 1
}

python_peers() {
  python3 -m venv "$root/build/peers" && "$root/build/peers/bin/pip" install numpy torch ncnn
}

setup_peers() {
  mkdir -p "$build_dir"
  if command -v apt-get >/dev/null; then
    say "setup: installing ggml for weft_bench"
    apt_peers /trixie-backports "" || say "setup: that failed (build/release/peers.log); weft_bench goes without ggml"
  else
    say "setup: install ggml by hand for weft_bench, if it is wanted as a peer"
  fi
  [ -x "$root/build/peers/bin/python" ] && return 0
  say "setup: a Python with PyTorch and ncnn in build/peers (several GB)"
  if python_peers >>"$peers_log" 2>&1; then
    say "setup: weft_bench --pytorch build/peers/bin/python --ncnn build/peers/bin/python"
  else
    rm -rf "$root/build/peers"
    say "setup: that failed (build/release/peers.log); weft_bench goes without them"
  fi
}
