# A browser for the tests of the console. Sourced after lib.sh, not run; only root can install one.

has_browser() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null; }

has_chinese() { command -v fc-list >/dev/null && [ -n "$(fc-list :lang=zh family 2>/dev/null)" ]; }

# Without a browser the suite still runs; pytest names the tests that it skips.
ensure_browser() {
    has_browser && has_chinese && return 0
    if ! is_root || ! command -v apt-get >/dev/null; then
        has_browser || say "note: no chromium here, so the tests of the console in a browser are skipped. Have an administrator run:
      apt-get install chromium fonts-noto-cjk fontconfig"
        return 0
    fi
    prepare_cache
    lock_setup
    say "installing chromium and a Chinese font (once) …"
    apt_install chromium fonts-noto-cjk fontconfig || say "note: apt-get could not install chromium; see $SETUP_LOG. Tests that need it are skipped."
    unlock_setup
}
