#!/usr/bin/env bash
# Makes what the Makefile's targets need, says what it does, and does nothing the second time.
#   setup.sh run     .venv with the product
#   setup.sh check   .venv with the product and the test tools
#   setup.sh test    the same, the programs that the tests start (nginx, Chromium), the Elasticsearch node, and OpenTelemetry clients
# System packages are installed with apt-get, only as root and only where they are missing. Otherwise every missing thing is
# named, with what to do, and the exit status is 2.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=.venv
node=.cache/elasticsearch
clients=.cache/clients
missing=()

say() { printf '%s\n' "setup: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
may_install() { [ "$(id -u)" -eq 0 ] && have apt-get; }

updated=
install_packages() { # of apt; failure is not the end: what is still missing is named later
  if [ -z "$updated" ]; then
    apt-get update -qq >&2 || say "apt-get update failed; going on with the package lists that are there"
    updated=yes
  fi
  say "apt-get install $*"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null ||
    say "apt-get could not install $*"
}

give_up_if_missing() {
  [ ${#missing[@]} -eq 0 ] && return
  say "cannot go on; what is missing:"
  printf '  - %s\n' "${missing[@]}" >&2
  exit 2
}

# --- Python -------------------------------------------------------------------------------------------------------------------
find_python() { # the first interpreter that is new enough; PYTHON names one
  local python
  for python in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if have "$python" && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      echo "$python"
      return
    fi
  done
}

make_venv() {
  [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 && return
  local python
  python=$(find_python)
  if [ -z "$python" ]; then
    missing+=("Python 3.11 or newer: install it, or name it: make PYTHON=/path/to/python3")
    give_up_if_missing
  fi
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    may_install && install_packages python3-venv
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
      missing+=("the venv module of $python: as root, apt-get install python3-venv")
    give_up_if_missing
  fi
  say "making $venv with $("$python" --version)"
  "$python" -m venv --clear "$venv"
}

install_product() { # $1: '' or '[test]'. The stamp holds what was installed from; a new pyproject.toml installs again
  local stamp="$venv/.installed${1:+-test}" wanted
  wanted="$(sha256sum <pyproject.toml) $PWD"
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return
  say "installing the product${1:+ and the test tools} into $venv (a few minutes the first time)"
  # the pip that comes with Python 3.11 does not find a pre-release that is asked for with an extra
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'pip>=24.1'
  "$venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --editable ".${1:-}"
  printf '%s\n' "$wanted" >"$stamp"
  [ -z "${1:-}" ] || printf '%s\n' "$wanted" >"$venv/.installed"
}

# --- programs that the tests start --------------------------------------------------------------------------------------------
have_chromium() { have chromium || have chromium-browser || have google-chrome; }
have_nginx() { have nginx || [ -x /usr/sbin/nginx ]; }

need_programs() {
  local wanted=()
  have_nginx || wanted+=(nginx-light)
  have_chromium || wanted+=(chromium)
  have chromedriver || wanted+=(chromium-driver)
  have curl || wanted+=(curl)
  if [ ${#wanted[@]} -gt 0 ] && may_install; then
    local package
    for package in "${wanted[@]}"; do install_packages "$package"; done # one by one: not every release has all of them
    # the Debian package starts a web server of its own, which nobody asked for
    [[ " ${wanted[*]} " != *" nginx-light "* ]] || ! have systemctl || systemctl disable --now nginx >/dev/null 2>&1 || true
  fi
  have_nginx || missing+=("nginx, for the gateway test: as root, apt-get install nginx-light")
  have_chromium || missing+=("Chromium, for the browser tests: as root, apt-get install chromium (Ubuntu: a Chromium or Chrome that is no snap)")
  have chromedriver || missing+=("chromedriver of the same version as Chromium: as root, apt-get install chromium-driver")
  have curl || missing+=("curl, which waits for the Elasticsearch node: as root, apt-get install curl")
}

# --- the Elasticsearch node ---------------------------------------------------------------------------------------------------
find_jdk() { # the same order as tests/elastic_node/es-node
  local home version
  for home in "${ES_JAVA_HOME:-}" "${JAVA_HOME:-}" $(ls -d /usr/lib/jvm/*/ 2>/dev/null | sort -rV); do
    [ -x "$home/bin/javac" ] || continue
    version=$("$home/bin/java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge 21 ] && { echo "${home%/}"; return; }
  done
}

apt_jdk() { # the newest JDK of 21 or more that this release has
  local major
  for major in 25 24 23 22 21; do
    if apt-cache policy "openjdk-$major-jdk-headless" 2>/dev/null | grep -q 'Candidate: [0-9]'; then
      echo "openjdk-$major-jdk-headless"
      return
    fi
  done
}

need_node() {
  local package
  if [ -z "$(find_jdk)" ] && may_install; then
    [ -n "$(apt_jdk)" ] || { apt-get update -qq >&2 || true; updated=yes; }
    package=$(apt_jdk)
    if [ -n "$package" ]; then install_packages "$package"; else say "this release has no JDK of 21 or newer in apt"; fi
  fi
  [ -n "$(find_jdk)" ] ||
    missing+=("a JDK of 21 or newer, for the Elasticsearch node: apt-get install openjdk-21-jdk-headless (Debian 13, Ubuntu 24.04), or unpack one and set ES_JAVA_HOME")
  if { [ ! -f "$node/.built" ] || [ ! -f "$agent" ]; } && ! have mvn; then
    ! may_install || install_packages maven
    have mvn || missing+=("Maven, which fetches the Elasticsearch jars: as root, apt-get install maven")
  fi
}

build_node() {
  [ -f "$node/.built" ] && return
  say "building the Elasticsearch node in $node (once; about 40 MB of jars)"
  tests/elastic_node/es-node build "$node" >&2
}

# --- OpenTelemetry clients ----------------------------------------------------------------------------------------------------
agent=$clients/opentelemetry-javaagent.jar
agent_version=2.31.1
telemetrygen_version=v0.161.0

fetch_clients() { # the Java agent always; telemetrygen only where Go is, since nothing else needs it
  mkdir -p "$clients"
  if [ ! -f "$agent" ]; then
    say "fetching the OpenTelemetry Java agent into $clients (once; about 25 MB)"
    mvn -q -B -ntp dependency:copy -Dartifact="io.opentelemetry.javaagent:opentelemetry-javaagent:$agent_version" \
      -DoutputDirectory="$clients" >&2
    mv "$clients/opentelemetry-javaagent-$agent_version.jar" "$agent"
  fi
  [ -x "$clients/telemetrygen" ] && return
  have go || { say "Go is not here, so the test with telemetrygen is skipped"; return; }
  say "building telemetrygen in $clients (once; a few minutes)"
  GOBIN="$PWD/$clients" go install \
    "github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen@$telemetrygen_version" >&2 ||
    say "telemetrygen could not be built; the test with it is skipped"
}

case "${1:-}" in
run) make_venv; install_product "" ;;
check) make_venv; install_product "[test]" ;;
test) need_programs; need_node; give_up_if_missing; make_venv; install_product "[test]"; build_node; fetch_clients ;;
*) sed -n 2,7p "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
