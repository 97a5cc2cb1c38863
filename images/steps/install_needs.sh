#!/bin/sh
# [clean=yes] install_needs.sh FAMILY
# Installs what /omnibuild/needs names, one dependency a line in the words of the platform's
# packages. clean=yes: leaves no lists and caches, as the container becomes an image.
set -eu
family=$1
bundle=/omnibuild/ca-bundle.pem

set --
while IFS= read -r need; do
    [ -z "$need" ] || set -- "$@" "$need"
done </omnibuild/needs

install_debian() {
    export DEBIAN_FRONTEND=noninteractive
    ca=
    [ ! -s "$bundle" ] || ca="-o Acquire::https::CAInfo=$bundle"
    # shellcheck disable=SC2086 # two words or none
    apt-get -q $ca -o Acquire::Retries=3 -o APT::Update::Error-Mode=any update
    [ $# -gt 0 ] || return 0
    operation=satisfy
    # apt before 1.9 knows names alone. Whether the versions will do is seen with the packages.
    case $(LC_ALL=C apt-get -q satisfy 2>&1 </dev/null) in
    *'Invalid operation'*)
        operation=install
        for need; do
            shift
            set -- "$@" "${need%%[ (|]*}"
        done
        ;;
    esac
    # shellcheck disable=SC2086
    apt-get -q -y $ca -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
        $operation --no-install-recommends "$@"
}

install_redhat() {
    [ $# -gt 0 ] || return 0
    ca=
    [ ! -s "$bundle" ] || ca="--setopt=sslcacert=$bundle"
    if command -v zypper >/dev/null 2>&1; then
        # It can't be told of certificates: the system trusts them from here on.
        if [ -s "$bundle" ]; then
            cp "$bundle" /etc/pki/trust/anchors/omnibuild.pem
            update-ca-certificates
        fi
        zypper --non-interactive install --no-recommends "$@"
        return
    fi
    manager=yum
    ! command -v dnf >/dev/null 2>&1 || manager=dnf
    # shellcheck disable=SC2086
    $manager -y $ca install "$@"
}

"install_$family" "$@"
if [ "${clean-}" = yes ]; then
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /var/cache/dnf /var/cache/yum
fi
