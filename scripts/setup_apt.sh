# shellcheck shell=bash
# Sourced by setup: Debian, Ubuntu and their relatives.

# Package and the oldest version that will do. Debian 12 has the first group itself; the second is
# too old there and comes from Debian 13, installed beside with a low priority.
own_packages="
cmake 3.25
ninja-build 1.11
g++ 4:12
git 1:2.30
libopenblas-dev 0.3.20
"
graphics_packages="
glslang-tools 14.0
spirv-tools 2023.6~
spirv-headers 1.6.1+1.3.275
libvulkan-dev 1.3.275
libvulkan-volk-dev 1.3.255
libvulkan-memory-allocator-dev 3.0.1
vulkan-validationlayers 1.3.275
vulkan-tools 1.3.275
catch2 3.4
libbenchmark-dev 1.8
libglm-dev 0.9.9.8
nlohmann-json3-dev 3.11
libstb-dev 0.0~git20220908
libcli11-dev 2.3
"
# Mesa's backport asks for Debian 13's, and apt does not find them by itself on Debian 12.
mesa_companions="libdisplay-info2 libxcb-present0 libxcb-xfixes0 libxcb-sync1 libx11-xcb1
libxcb-dri3-0 libxcb-randr0 libxcb-shm0"

sources_file=/etc/apt/sources.list.d/weft.sources
preferences_file=/etc/apt/preferences.d/weft

# A kernel driver of real hardware together with a Vulkan driver other than Mesa's CPU one.
has_gpu_driver() {
  local node module icd hardware=no
  if [ -e /dev/nvidiactl ]; then hardware=yes; fi
  for node in /dev/dri/renderD*; do
    [ -e "$node" ] || continue
    module=$(basename "$(readlink -f "/sys/class/drm/${node##*/}/device/driver" 2>/dev/null)")
    case "$module" in
      virtio* | vgem | vkms | vmwgfx | bochs* | qxl | cirrus* | hyperv* | simple*) ;;
      *) hardware=yes ;;
    esac
  done
  [ $hardware = yes ] || return 1
  for icd in {/usr/share,/usr/local/share,/etc}/vulkan/icd.d/*.json; do
    case "$icd" in */lvp_icd*) ;; *) [ -e "$icd" ] && return 0 ;; esac
  done
  return 1
}

# Debian's releases get the Mesa that the tests were written against; others keep their own.
oldest_mesa() {
  case "$(. /etc/os-release && echo "${ID:-}")" in
    debian) echo 26.1 ;;
    *) echo 24.0 ;;
  esac
}

wanted() {
  printf '%s\n%s\n' "$own_packages" "$graphics_packages" | sed '/^$/d'
  has_gpu_driver && return 0
  echo "mesa-vulkan-drivers $(oldest_mesa)"
}

# One dpkg-query for all; prints "package oldest installed" for each that is missing or too old.
find_missing() {
  local list installed package oldest version
  list=$(wanted)
  # shellcheck disable=SC2046
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status} ${Version}\n' \
    $(printf '%s\n' "$list" | cut -d' ' -f1) 2>/dev/null) || true
  while read -r package oldest; do
    version=$(printf '%s\n' "$installed" |
      awk -v p="$package" '$1 == p && $2 == "installed" { print $3 }' | sed -n 1p)
    if [ -z "$version" ]; then
      echo "$package $oldest none"
    elif ! dpkg --compare-versions "$version" ge "$oldest"; then
      echo "$package $oldest $version"
    fi
  done <<<"$list"
}

# apt's own view of its sources, in whichever format: lines "release uri file", ours left out.
list_sources() {
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI) $(SOURCESENTRY)' \
    'Created-By: Packages' 2>/dev/null |
    awk -v ours="$sources_file" '$2 == "main" && $3 !~ /^cdrom/ {
      file = $4; sub(/:[0-9]+$/, "", file); if (file != ours) print $1, $3, file }'
}

has_source() {
  list_sources | awk -v release="$1" '$1 == release { found = 1 } END { exit !found }'
}

# bookworm, trixie or other. The sources decide: /etc/os-release follows whichever base-files is
# installed, and Debian 13's comes along with its libc.
debian_release() {
  local name
  for name in bookworm trixie; do
    if has_source "$name"; then
      echo "$name"
      return 0
    fi
  done
  name=$(. /etc/os-release && [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}") || true
  case "$name" in bookworm | trixie) echo "$name" ;; *) echo other ;; esac
}

# The options (keys, trust) of the entry for URI $1 in file $2, as deb822 fields.
source_options() {
  case "$2" in
    *.sources)
      awk -v RS= -v uri="${1%/}" '
        { text = "\n" $0 "\n"; gsub(/\n#[^\n]*/, "", text) }
        index(text, uri "\n") || index(text, uri "/\n") || index(text, uri " ") {
          print text; exit }' "$2" |
        awk '/^[^ \t]/ { keep = tolower($0) !~ /^(types|uris|suites|components|enabled|x-[^:]*):/ }
             keep && NF' ;;
    *)
      sed -n 's/^ *deb *\[\([^]]*\)\] *\([^ ]*\).*/\2 \1/p' "$2" |
        awk -v uri="${1%/}" '{ u = $1; sub(/\/$/, "", u) } u == uri {
          for (i = 2; i <= NF; i++) {
            split($i, part, "="); value = substr($i, length(part[1]) + 2); gsub(/,/, " ", value)
            sub(/^arch$/, "Architectures", part[1]); sub(/^lang$/, "Languages", part[1])
            print part[1] ": " value }
          exit }' ;;
  esac
}

# write_if_changed FILE: standard input becomes the file.
write_if_changed() {
  local text
  text=$(cat)
  [ -r "$1" ] && [ "$text" = "$(cat "$1")" ] && return 0
  say "  writing $1"
  printf '%s\n' "$text" | $sudo tee "$1" >/dev/null
}

# add_sources RELEASE SUITE...: the suites that no other file names yet, from the mirror of RELEASE.
add_sources() {
  local release=$1 entry uri file options suites="" suite
  shift
  entry=$(list_sources | awk -v n="$release" '$1 == n || $1 ~ /^(old)*stable$/' | sed -n 1p)
  [ -n "$entry" ] || die "apt knows no source for Debian's $release main, or could not fetch its" \
    "lists, so there is no mirror to take newer packages from"
  read -r _ uri file <<<"$entry"
  for suite in "$@"; do
    has_source "$suite" || suites="$suites $suite"
  done
  if [ -z "$suites" ]; then $sudo rm -f "$sources_file"; return 0; fi
  options=$(source_options "$uri" "$file")
  printf 'Types: deb\nURIs: %s\nSuites:%s\nComponents: main\n%s' "$uri" "$suites" "$options" |
    write_if_changed "$sources_file"
  for suite in "$@"; do
    printf 'Package: *\nPin: release n=%s\nPin-Priority: 100\n\n' "$suite"
  done | write_if_changed "$preferences_file"
}

# run_apt COMMAND...: quietly; on failure shows the last lines and gives up.
run_apt() {
  local apt_get=(env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=600)
  $sudo "${apt_get[@]}" "$@" >"$log" 2>&1 && return 0
  tail -n 20 "$log" >&2
  if [ "$started" = no ]; then restore_sources; fi
  die "apt-get $1 failed, its last lines are above; once mended, scripts/setup goes on from here"
}

# Everything is fetched before anything is changed: without a network all stays as it was.
install_packages() {
  run_apt install --no-install-recommends --download-only "$@"
  started=yes
  run_apt install --no-install-recommends "$@"
}

# Puts back what this run wrote for apt.
restore_sources() {
  local file
  for file in "$sources_file" "$preferences_file"; do
    if [ -e "$backup/${file##*/}" ]; then
      $sudo cp "$backup/${file##*/}" "$file"
    else
      $sudo rm -f "$file"
    fi
  done
}

# simulate VERB ARGUMENTS...: the packages that installing would add (Inst) or remove (Remv).
simulate() {
  local verb=$1
  shift
  LC_ALL=C apt-get -s -y install --no-install-recommends "$@" 2>/dev/null |
    awk -v verb="$verb" '$1 == verb { print $2 }'
}

# The packages that provide the name $1.
providers() {
  LC_ALL=C apt-cache showpkg "$1" |
    awk 'provided { print $1 } /^Reverse Provides:/ { provided = 1 }'
}

# What someone asked for and would be removed is asked for in its newer version instead, where apt can
# do that together with the rest. What still goes may go if apt put it there by itself or a renamed
# package takes its place (libx: libxt64); anything else that someone asked for may not.
install_newer() {
  local package added extra="" removed=""
  for package in $(simulate Remv "$@" | grep -Fxf <(apt-mark showmanual)); do
    # shellcheck disable=SC2086
    if simulate Inst "$@" $extra "$package" | grep -Fx "$package" >/dev/null; then
      extra="$extra $package"
    fi
  done
  if [ -n "$extra" ]; then say "  keeping by their newer version:$extra"; fi
  # shellcheck disable=SC2086
  set -- "$@" $extra
  added=$(simulate Inst "$@") || {
    restore_sources
    run_apt install --no-install-recommends -s "$@"  # fails too, and says why
  }
  for package in $(simulate Remv "$@" | grep -Fxf <(apt-mark showmanual)); do
    providers "$package" | grep -Fxf <(printf '%s\n' "$added") >/dev/null ||
      removed="$removed $package"
  done
  if [ -n "$removed" ] && [ "$allow_removals" = no ]; then
    restore_sources
    die "apt would remove:$removed. If that is fine: scripts/setup --allow-removals"
  fi
  install_packages "$@"
}

# The packages of list $1 that are among the missing.
among_missing() {
  printf '%s\n' "$1" | awk 'NR == FNR { listed[$1] = 1; next } listed[$1] { print $1 }' \
    - <(printf '%s\n' "$missing")
}

# Where the system's own packages have to do: says which are too old before anything is installed.
require_candidates() {
  local package oldest candidate lacking=""
  while read -r package oldest _; do
    candidate=$(LC_ALL=C apt-cache policy "$package" | awk '$1 == "Candidate:" { print $2 }')
    if [ "$candidate" = "(none)" ]; then candidate=""; fi
    if [ -z "$candidate" ] || ! dpkg --compare-versions "$candidate" ge "$oldest"; then
      lacking="$lacking
  $package: $oldest is needed, this system offers ${candidate:-none}"
    fi
  done <<<"$missing"
  [ -z "$lacking" ] && return 0
  say "setup: this system's packages do not suffice:$lacking"
  say "On Ubuntu, make sure that the universe component is enabled."
  advise
  exit 1
}

install_missing() {
  local own graphics mesa="" release
  # apt names no sources before their lists are here.
  if [ -z "$(list_sources)" ]; then run_apt update; fi
  release=$(debian_release)
  own=$(among_missing "$own_packages")
  graphics=$(among_missing "$graphics_packages")
  mesa=$(among_missing "mesa-vulkan-drivers")
  case "$release" in
    bookworm) [ -z "$graphics$mesa" ] || add_sources bookworm trixie trixie-backports ;;
    trixie) [ -z "$mesa" ] || add_sources trixie trixie-backports ;;
  esac
  run_apt update
  # shellcheck disable=SC2086
  case "$release" in
    bookworm)
      [ -z "$own" ] || install_packages $own
      if [ -n "$mesa" ]; then graphics="$graphics $mesa/trixie-backports $mesa_companions"; fi
      [ -z "$graphics" ] || install_newer -t trixie $graphics ;;
    trixie)
      if [ -n "$mesa" ]; then mesa="$mesa/trixie-backports"; fi
      install_packages $own $graphics $mesa ;;
    *)
      require_candidates
      install_packages $own $graphics $mesa ;;
  esac
}

setup_with_apt() {
  missing=$(find_missing)
  if [ -z "$missing" ]; then
    say "setup: everything needed is here"
    return 0
  fi
  sudo=""
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
      sudo=sudo
    elif [ -z "$(probe)" ]; then
      say "setup: everything needed is here (not all of it from packages)"
      return 0
    else
      say "setup: neither root nor sudo is at hand. As root, install these or newer:"
      printf '%s\n' "$missing" | awk '{ print "  " $1 " " $2 " (installed: " $3 ")" }'
      exit 1
    fi
  fi
  say "setup: these packages are missing or too old and will be installed by apt (about a minute):"
  printf '%s\n' "$missing" |
    awk '{ print "  " $1 ($3 == "none" ? "" : " (installed: " $3 ", needed: " $2 ")") }'
  backup=$(mktemp -d)
  trap 'rm -rf "$backup"' EXIT
  log=$backup/apt.log
  started=no
  cp "$sources_file" "$preferences_file" "$backup" 2>/dev/null || true
  install_missing
  missing=$(find_missing)
  [ -z "$missing" ] || die "still missing or too old after installing (package, needed, installed):
$missing"
  report_ready
}

# What single tests need, which skip without it: each tried without touching anything else, and never
# a reason to fail.
install_for_tests() {
  local apt_get=(env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=600)
  local packages=() package updated=no
  command -v pkg-config >/dev/null || packages+=(pkgconf)
  command -v spirv-cross >/dev/null || packages+=(spirv-cross)
  if [ "$(dpkg --print-architecture)" = amd64 ]; then
    command -v aarch64-linux-gnu-g++ >/dev/null || packages+=(g++-aarch64-linux-gnu)
    # Fake devices, for the compilers of GPUs that are not here. Elsewhere no package has them.
    if [ "$(oldest_mesa)" = 26.1 ] && ! dpkg -s mesa-drm-shim >/dev/null 2>&1; then
      packages+=(mesa-drm-shim/trixie-backports)
    fi
  fi
  if [ "$(id -u)" != 0 ]; then apt_get=(sudo -n "${apt_get[@]}"); fi
  mkdir -p "$build_dir"
  for package in ${packages[@]+"${packages[@]}"}; do
    say "setup: installing $package for single tests"
    local install=("${apt_get[@]}" install --no-install-recommends --no-remove "$package")
    "${install[@]}" >>"$build_dir/setup.log" 2>&1 && continue
    if [ $updated = no ]; then
      updated=yes
      "${apt_get[@]}" update >>"$build_dir/setup.log" 2>&1 || true
      "${install[@]}" >>"$build_dir/setup.log" 2>&1 && continue
    fi
    say "setup: that failed (build/release/setup.log); its tests will skip"
  done
}

report_ready() {
  say "setup: done: $(cmake --version | sed -n 1p), g++ $(g++ -dumpfullversion)," \
    "$(glslang --version | sed -n 's/^Glslang Version: */glslang /p')"
  vulkaninfo --summary 2>/dev/null | sed -n 's/^\tdeviceName *= */  Vulkan device: /p' || true
}
