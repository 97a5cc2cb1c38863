#!/bin/sh
# verify.sh FAMILY PREFIX
# In a clean container of a platform: installs /omnibuild/packages, runs each path in
# /omnibuild/links, removes the packages named in /omnibuild/names, looks for what is left.
# The last line of a failure begins with `verify: ` and says which check it was.
set -u
family=$1
prefix=$2
bundle=/omnibuild/ca-bundle.pem

fail() {
    echo "verify: $*"
    exit 1
}

# A minimal Red Hat image may have yum only.
manager() {
    if command -v dnf >/dev/null 2>&1; then
        dnf -y "$@"
    else
        yum -y "$@"
    fi
}

install() {
    case $family in
    debian)
        export DEBIAN_FRONTEND=noninteractive
        ca=
        [ ! -s "$bundle" ] || ca="-o Acquire::https::CAInfo=$bundle"
        # shellcheck disable=SC2086 # two words or none
        apt-get -q $ca -o Acquire::Retries=3 -o APT::Update::Error-Mode=any update ||
            fail "the lists of the distribution's packages can't be fetched"
        # shellcheck disable=SC2086
        apt-get -q -y $ca -o Dpkg::Use-Pty=0 install --no-install-recommends /omnibuild/packages/*.deb
        ;;
    redhat)
        ca=
        [ ! -s "$bundle" ] || ca="--setopt=sslcacert=$bundle"
        # Packages that were just made carry no signature yet.
        # shellcheck disable=SC2086
        manager $ca --nogpgcheck install /omnibuild/packages/*.rpm
        ;;
    esac
}

remove() {
    # shellcheck disable=SC2046 # a package name is one word
    case $family in
    debian) apt-get -q -y -o Dpkg::Use-Pty=0 purge $(cat /omnibuild/names) ;;
    redhat) manager remove $(cat /omnibuild/names) ;;
    esac
}

# A command answers --version or --help; one that knows neither must at least be there and start.
run() {
    for option in --version --help; do
        output=$(timeout 60 "$1" "$option" 2>&1 </dev/null) && return 0
        case $output in
        *Traceback*|*"No such file"*|*"not found"*) ;;
        *) [ $? -eq 127 ] || continue ;;
        esac
        printf '%s\n' "$output"
        return 1
    done
    [ -x "$1" ]
}

install || fail "the package manager can't install the packages"
while read -r link; do
    run "$link" || fail "\`$link\` does not run"
done </omnibuild/links
remove || fail "the package manager can't remove the packages"
left=$(ls -d "$prefix" 2>/dev/null; while read -r link; do ls -d "$link" 2>/dev/null; done </omnibuild/links)
[ -z "$left" ] || {
    find "$prefix" 2>/dev/null | head -n 20
    fail "something is left after removal: $left"
}
