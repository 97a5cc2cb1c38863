# reload_systemd
# Where systemd runs, it reads the units again.
reload_systemd() {
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
    fi
}
