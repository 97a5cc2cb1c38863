# reload_systemd
# Where systemd runs, it reads the units again.
reload_systemd() {
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload >/dev/null 2>&1 || :
    fi
}
