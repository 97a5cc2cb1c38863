# reload_firewall
reload_firewall() {
    if command -v firewall-cmd >/dev/null 2>&1; then
        firewall-cmd --reload --quiet >/dev/null 2>&1 || :
    fi
}
