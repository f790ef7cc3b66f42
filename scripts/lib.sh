# Set-up that every script shares: a Python, a virtual environment made from the locks, a broker.
# Sourced, not run. The second run finds its stamp and starts at once, also without a network.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
CACHE="$ROOT/.cache"
VENV="${YARDMASTER_VENV:-$ROOT/.venv}"
SETUP_LOG="$CACHE/setup.log"

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# Run quietly; the log is shown when it fails.
logged() {
    printf '+ %s\n' "$*" >>"$SETUP_LOG"
    "$@" >>"$SETUP_LOG" 2>&1
}

failed() {
    say "error: $1. The end of $SETUP_LOG:"
    tail -n 40 "$SETUP_LOG" >&2
    exit 1
}

is_root() { [ "$(id -u)" -eq 0 ]; }

owner_of() { stat -c %U "$1" 2>/dev/null || stat -f %Su "$1"; }

prepare_cache() {
    mkdir -p "$CACHE" 2>/dev/null && [ -w "$CACHE" ] \
        || die "$CACHE cannot be written by $(id -un). Use a checkout of your own, or have its owner ($(owner_of "$ROOT")) run this."
    if [ -e "$SETUP_LOG" ] && [ ! -w "$SETUP_LOG" ]; then rm -f "$SETUP_LOG"; fi
    : >"$SETUP_LOG"
}

# Two scripts started together must not build the same environment twice.
lock_setup() {
    command -v flock >/dev/null || return 0
    exec 9>>"$CACHE/setup.lock" || die "$CACHE/setup.lock belongs to $(owner_of "$CACHE/setup.lock"); remove it and try again"
    flock -n 9 || { say "waiting for another set-up in this checkout …"; flock 9; }
}

unlock_setup() { exec 9>&-; }

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    logged apt-get install -y --no-install-recommends "$@" && return 0
    logged apt-get update && logged apt-get install -y --no-install-recommends "$@"
}

# ---------------------------------------------------------------- Python
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

has_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

pythons() { printf '%s\n' ${YARDMASTER_PYTHON:+"$YARDMASTER_PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 python; }

# The first Python that is new enough and can make environments, else the first that is new enough.
find_python() {
    local candidate found=""
    while IFS= read -r candidate; do
        is_new_enough "$candidate" || continue
        if has_venv "$candidate"; then PYTHON="$candidate"; return 0; fi
        found="${found:-$candidate}"
    done < <(pythons)
    PYTHON="$found"
    return 1
}

ensure_python() {
    find_python && return 0
    if is_root && command -v apt-get >/dev/null; then
        say "installing python3 and python3-venv …"
        apt_install python3 python3-venv || failed "apt-get could not install python3-venv"
        find_python && return 0
    fi
    [ -n "$PYTHON" ] || die "Python 3.11 or newer is needed and none was found. Install one, or name it in YARDMASTER_PYTHON."
    die "$PYTHON cannot make virtual environments. Have an administrator run: apt-get install python3-venv"
}

# ---------------------------------------------------------------- virtual environment
fingerprint() {
    { printf '%s\n' "$ROOT" "$VENV"; cat "$ROOT/requirements/$1.txt" "$ROOT/pyproject.toml"; } | cksum
}

# The lock `dev` contains the lock `run`, so an environment for development serves both.
is_ready() {
    local kind
    for kind in "$1" dev; do
        [ "$(cat "$VENV/.yardmaster-$kind" 2>/dev/null)" = "$(fingerprint "$kind")" ] || continue
        "$VENV/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return 0
    done
    return 1
}

check_owner() {
    [ -e "$VENV" ] || return 0
    [ -O "$VENV" ] || die "$VENV belongs to $(owner_of "$VENV"), not to $(id -un), and is out of date.
       Run this as $(owner_of "$VENV"), remove that folder, or choose another one: YARDMASTER_VENV=/some/folder"
}

make_venv() {
    # A set-up that was cut off leaves this mark, and what it left is not to be trusted.
    if [ -e "$VENV/.yardmaster-installing" ] || ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
        logged "$PYTHON" -m venv --clear "$VENV" || failed "the virtual environment could not be made"
    fi
    rm -f "$VENV"/.yardmaster-run "$VENV"/.yardmaster-dev
    : >"$VENV/.yardmaster-installing"
}

fill_venv() {
    local pip=("$VENV/bin/python" -m pip --disable-pip-version-check)
    logged "${pip[@]}" install --require-hashes -r "$ROOT/requirements/$1.txt" \
        || failed "installing requirements/$1.txt did not work"
    logged "${pip[@]}" install --no-deps --no-build-isolation -e "$ROOT" || failed "installing the project did not work"
    fingerprint "$1" >"$VENV/.yardmaster-$1"
    rm -f "$VENV/.yardmaster-installing"
}

# ensure_venv run|dev
ensure_venv() {
    is_ready "$1" && return 0
    check_owner
    prepare_cache
    lock_setup
    is_ready "$1" && { unlock_setup; return 0; }
    ensure_python
    say "setting up $VENV (once; about a minute) …"
    make_venv
    fill_venv "$1"
    unlock_setup
}

# set_up run|dev: everything a script needs; exports YARDMASTER_MOSQUITTO when a broker was found.
set_up() {
    ensure_venv "$1"
    # shellcheck source=scripts/broker.sh
    . "$ROOT/scripts/broker.sh"
    ensure_broker
    # No activation: an environment that other tools activated must not leak in.
    unset PYTHONHOME PYTHONPATH
}
