# forget_unit UNIT
forget_unit() {
    if command -v deb-systemd-helper >/dev/null 2>&1; then
        deb-systemd-helper purge "$1" >/dev/null || true
    fi
}
