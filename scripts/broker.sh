# Finds mosquitto, or gets it: from the system, by apt as root, or unpacked into .cache without root.
# Sourced by lib.sh; what it finds is exported as YARDMASTER_MOSQUITTO.

UNPACKED="$CACHE/mosquitto"

# Asked for help, mosquitto ends with an exit code other than 0.
works() { [ -x "$1" ] && case "$("$1" -h 2>/dev/null || true)" in "mosquitto version"*) true ;; *) false ;; esac; }

find_mosquitto() {
    local candidate
    for candidate in "${YARDMASTER_MOSQUITTO:-}" "$(command -v mosquitto)" /usr/sbin/mosquitto /usr/local/sbin/mosquitto \
        /opt/homebrew/sbin/mosquitto "$UNPACKED/mosquitto"; do
        if [ -n "$candidate" ] && works "$candidate"; then
            export YARDMASTER_MOSQUITTO="$candidate"
            return 0
        fi
    done
    return 1
}

# Debian starts a service it installs; ours is a private broker, and port 1883 is not ours to take.
install_mosquitto() {
    local policy=/usr/sbin/policy-rc.d made="" status=0
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made=yes
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    apt_install mosquitto || status=$?
    if [ -n "$made" ]; then rm -f "$policy"; trap - EXIT; fi
    if [ "$status" -eq 0 ] && [ -d /run/systemd/system ]; then logged systemctl disable mosquitto.service || true; fi
    return "$status"
}

is_installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q "install ok installed"; }

# Names of the libraries a package needs and the machine lacks; of alternatives the first one.
missing_libraries() {
    local line name taken=""
    while IFS= read -r line; do
        name="${line##*: }"
        case "$name" in lib*) ;; *) name="" ;; esac
        if [ -z "$taken" ] && [ -n "$name" ] && ! is_installed "$name"; then printf '%s\n' "$name"; fi
        case "$line" in *"|"*) taken=yes ;; *) taken="" ;; esac
    done < <(apt-cache "${APT[@]}" depends --important "$1" 2>>"$SETUP_LOG" | grep -E '^ *\|?(Pre)?Depends: [a-z]')
}

needed_packages() {
    local todo=(mosquitto) seen=" " package more
    while [ "${#todo[@]}" -gt 0 ]; do
        package="${todo[0]}"
        todo=("${todo[@]:1}")
        case "$seen" in *" $package "*) continue ;; esac
        seen="$seen$package "
        while IFS= read -r more; do todo+=("$more"); done < <(missing_libraries "$package")
    done
    printf '%s\n' $seen
}

# An ordinary user may have no package lists, or old ones: then lists of our own.
private_lists() {
    local apt="$CACHE/apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    APT=(-o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o Debug::NoLocking=1)
    logged apt-get "${APT[@]}" update
}

download_packages() {
    local packages
    mapfile -t packages < <(needed_packages)
    (cd "$UNPACKED/debs" && logged apt-get "${APT[@]}" download "${packages[@]}")
}

write_wrapper() {
    local libraries
    libraries="$(cd "$UNPACKED/root" && find . -name '*.so*' -exec dirname {} + | sort -u | sed 's|^\.|$here/root|' | paste -sd:)"
    cat >"$UNPACKED/mosquitto.new" <<WRAPPER
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")
LD_LIBRARY_PATH="$libraries" exec "\$here/root/usr/sbin/mosquitto" "\$@"
WRAPPER
    chmod 755 "$UNPACKED/mosquitto.new"
    mv "$UNPACKED/mosquitto.new" "$UNPACKED/mosquitto"
}

unpack_mosquitto() {
    local package
    APT=()
    rm -rf "$UNPACKED"
    mkdir -p "$UNPACKED/debs" "$UNPACKED/root"
    download_packages || { private_lists && download_packages; } || return 1
    for package in "$UNPACKED"/debs/*.deb; do logged dpkg -x "$package" "$UNPACKED/root" || return 1; done
    write_wrapper
}

warn_amqtt() {
    say "################################################################################"
    say "# No mosquitto here and none could be installed. The broker will be amqtt:     #"
    say "# good for a demo with up to 20 robots, NOT for work. It knows no access rules.#"
    say "# Install mosquitto and start again.                                           #"
    say "################################################################################"
}

ensure_broker() {
    find_mosquitto && return 0
    prepare_cache
    lock_setup
    find_mosquitto && { unlock_setup; return 0; }
    if is_root && command -v apt-get >/dev/null; then
        say "installing mosquitto …"
        install_mosquitto || true
    fi
    if ! find_mosquitto && command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
        say "fetching mosquitto into $UNPACKED …"
        unpack_mosquitto || true
    fi
    unlock_setup
    find_mosquitto || warn_amqtt
}
