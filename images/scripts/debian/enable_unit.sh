# enable_unit UNIT
# The first installation enables it; later ones keep what the administrator decided.
enable_unit() {
    command -v deb-systemd-helper >/dev/null 2>&1 || return 0
    deb-systemd-helper unmask "$1" >/dev/null || true
    if deb-systemd-helper --quiet was-enabled "$1"; then
        deb-systemd-helper enable "$1" >/dev/null || true
    else
        deb-systemd-helper update-state "$1" >/dev/null || true
    fi
}
