# remove_units UNIT...
remove_units() {
    if command -v systemctl >/dev/null 2>&1; then
        systemctl --no-reload disable "$@" >/dev/null 2>&1 || :
    fi
    if [ -d /run/systemd/system ]; then
        systemctl stop "$@" >/dev/null 2>&1 || :
    fi
}
