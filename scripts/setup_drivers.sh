# shellcheck shell=bash
# Sourced by setup and test: drivers for tests/drivers that no package installs. They are kept in
# the build tree; nothing of the system is changed. What can't be had is said, and its tests skip.

drivers_dir=$build_dir/drivers
drivers_log=$build_dir/drivers.log

# download PACKAGE...: as .deb files in the current folder, by the system's own apt.
download() {
  apt-get download "$@" >>"$drivers_log" 2>&1 && return 0
  local update=(apt-get update)
  if [ "$(id -u)" != 0 ]; then update=(sudo -n "${update[@]}"); fi
  "${update[@]}" >>"$drivers_log" 2>&1 || true
  apt-get download "$@" >>"$drivers_log" 2>&1
}

# fetch NAME FUNCTION SIZE: runs FUNCTION in an empty folder, once; what it makes there becomes
# drivers/NAME.
fetch() {
  local name=$1 work=$drivers_dir/making
  [ -e "$drivers_dir/$name" ] && return 0
  mkdir -p "$drivers_dir"
  rm -rf "$work" && mkdir "$work"
  say "setup: fetching $name for tests/drivers ($3)"
  if (cd "$work" && "$2") >>"$drivers_log" 2>&1 && [ -e "$work/$name" ]; then
    mv "$work/$name" "$drivers_dir/$name"
  else
    say "setup: that failed (build/release/drivers.log); its tests will skip"
  fi
  rm -rf "$work"
}

make_swiftshader() {
  download chromium-common || return 1
  dpkg-deb -x chromium-common*.deb all
  mkdir swiftshader
  mv all/usr/lib/chromium/{libvk_swiftshader.so,vk_swiftshader_icd.json} swiftshader
}

# Debian's chromium has it; 32 MB to download.
fetch_swiftshader() {
  [ "$(dpkg --print-architecture)" = amd64 ] || return 0
  fetch swiftshader make_swiftshader "32 MB"
}

# ---- On demand: scripts/test --drivers ----

# An apt of our own, which knows Debian 13's arm64 packages and sources; the system's stays as it
# is.
own_apt() {
  local apt=$drivers_dir/apt keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  local uri options suite
  uri=$(LC_ALL=C apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' \
    2>/dev/null | awk '$1 ~ /^(trixie|bookworm)$/ && $2 !~ /security/ { print $2; exit }')
  options=(-o Dir::State="$apt/state" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache"
    -o Dir::Etc::sourcelist="$apt/sources" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=)
  if [ ! -e "$apt/ready" ]; then
    mkdir -p "$apt"/{state/lists/partial,cache/archives/partial}
    touch "$apt/status"
    for suite in trixie trixie-backports; do
      echo "deb [arch=arm64 signed-by=$keyring] $uri $suite main"
    done >"$apt/sources"
    echo "deb-src [signed-by=$keyring] $uri trixie main" >>"$apt/sources"
    apt-get "${options[@]}" update && touch "$apt/ready" || return 1
  fi
  apt-get "${options[@]}" "$@"
}

# Intel's fake device, from the source of Debian 13's Mesa, with tools that are unpacked beside it.
make_intel_shim() {
  local tools=$PWD/tools deb
  own_apt source --download-only mesa/trixie
  download m4 bison flex python3-mako python3-markupsafe python3-yaml libpciaccess-dev || return 1
  download meson/trixie libdrm-dev/trixie || download meson libdrm-dev || return 1
  for deb in *.deb; do dpkg-deb -x "$deb" "$tools"; done
  tar xf mesa_*.orig.tar.xz
  sed -i "s|^prefix=.*|prefix=$tools/usr|" "$tools"/usr/lib/*/pkgconfig/*.pc
  export PATH=/usr/bin:$tools/usr/bin:$PATH PYTHONPATH=$tools/usr/lib/python3/dist-packages
  export BISON_PKGDATADIR=$tools/usr/share/bison M4=$tools/usr/bin/m4
  PKG_CONFIG_PATH=$(echo "$tools"/usr/lib/*/pkgconfig)
  export PKG_CONFIG_PATH
  python3 "$tools/usr/bin/meson" setup b mesa-*/ --wrap-mode=nodownload -Dbuildtype=release \
    -Dgallium-drivers= -Dvulkan-drivers= -Dplatforms= -Dtools=drm-shim,intel -Dglx=disabled \
    -Degl=disabled -Dgbm=disabled -Dllvm=disabled -Dopengl=false -Dgles1=disabled \
    -Dgles2=disabled -Dvideo-codecs= -Dzstd=disabled -Dxmlconfig=disabled || return 1
  ninja -C b src/intel/tools/libintel_noop_drm_shim.so || return 1
  mkdir lib
  cp b/src/intel/tools/libintel_noop_drm_shim.so lib
}

# Mesa for 64-bit Arm and what it needs, unpacked.
make_arm64() {
  local deb
  own_apt install -y --no-install-recommends --download-only libvulkan1 libstdc++6 libc6 \
    mesa-vulkan-drivers/trixie-backports mesa-drm-shim/trixie-backports || return 1
  for deb in "$drivers_dir"/apt/cache/archives/*.deb; do dpkg-deb -x "$deb" arm64; done
  ln -sfn usr/lib arm64/lib  # the loader's own path
}

# An emulator that needs no libraries: Debian 13's, or the -static one of older releases.
make_qemu() {
  download qemu-user/trixie || download qemu-user-static || return 1
  dpkg-deb -x qemu-user*.deb all
  mv all/usr/bin/qemu-aarch64-static qemu-aarch64 || mv all/usr/bin/qemu-aarch64 .
}

# weft_drivers for 64-bit Arm; built again whenever something changed.
build_arm64_gate() {
  local log=$build_dir/drivers_arm64.log
  if ! command -v aarch64-linux-gnu-g++ >/dev/null; then
    say "setup: no compiler for 64-bit Arm; the gate of Mali will skip"
    rm -f "$drivers_dir/arm64_build/bin/weft_drivers"
    return 0
  fi
  say "Building the gate for 64-bit Arm"
  if ! cmake -S "$root/tests/drivers/emulated" -B "$drivers_dir/arm64_build" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release -DWEFT_SPIRV_DIR="$build_dir/shaders" \
    -DCMAKE_TOOLCHAIN_FILE="$root/cmake/toolchains/aarch64-linux-gnu.cmake" >"$log" 2>&1 ||
    ! cmake --build "$drivers_dir/arm64_build" --parallel "$(job_count)" \
      --target weft_drivers >>"$log" 2>&1; then
    rm -f "$drivers_dir/arm64_build/bin/weft_drivers"  # an older one has other kernels
    say "that failed (${log#"$root"/}); its tests will skip"
  fi
}

fetch_drivers_on_demand() {
  command -v dpkg-deb >/dev/null && [ "$(dpkg --print-architecture)" = amd64 ] || return 0
  fetch lib make_intel_shim "50 MB, then about two minutes of compiling"
  fetch qemu-aarch64 make_qemu "71 MB"
  fetch arm64 make_arm64 "60 MB"
}
