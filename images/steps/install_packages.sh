#!/bin/sh
# install_packages.sh FAMILY
# Installs /omnibuild/packages into a container that becomes an image. What they need from the distribution
# is there already, so nothing is fetched.
set -eu
family=$1
here=/omnibuild
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

install_debian() {
    apt-get -q -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
        -o 'Dpkg::Options::=--path-include=*' install --no-install-recommends $here/packages/*.deb
}

# That they are ours is known, whoever signed them.
install_redhat() {
    if command -v dnf >/dev/null 2>&1; then
        dnf -y --nogpgcheck --disablerepo='*' --setopt=tsflags= --setopt=install_weak_deps=False \
            install $here/packages/*.rpm
    elif command -v yum >/dev/null 2>&1; then
        yum -y --nogpgcheck --disablerepo='*' --setopt=tsflags= install $here/packages/*.rpm
    else
        zypper --non-interactive --no-gpg-checks install --allow-unsigned-rpm --no-recommends $here/packages/*.rpm
    fi
}

"install_$family"
