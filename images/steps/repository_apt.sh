#!/bin/sh
# repository_apt.sh list | fetch NAME=VERSION…
# Asks apt for packages in the repository of /omnibuild/repository/sources/*.sources and in no other.
#   list    which versions of the packages in /omnibuild/repository/names it has
#   fetch   puts these packages into /omnibuild/repository/fetched
# What it has to say are lines that begin with `repository: ` and one of
#   version NAME VERSION  the repository has it
#   untrusted TEXT        who signed it is not who was named, or nobody did
#   fault TEXT            it can't be reached, or is no repository
# Status 1 after one of the last two.
set -u
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
here=/omnibuild/repository
bundle=/omnibuild/ca-bundle.pem
command=$1
shift
mkdir -p $here/lists/partial $here/cache/archives/partial $here/fetched

say() { printf 'repository: %s\n' "$*"; }
fail() {
    say "$1 $( (grep -m 1 "$2" $here/out || tail -n 1 $here/out) | sed 's/^ *//')"
    exit 1
}

# The distribution's own lists, keys and installed packages have no say.
apt_here() {
    tool=$1
    shift
    ca=
    [ ! -s $bundle ] || ca="-o Acquire::https::CAInfo=$bundle"
    # shellcheck disable=SC2086 # two words or none
    "$tool" -q $ca -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$here/sources \
        -o Dir::State::lists=$here/lists -o Dir::State::status=/dev/null -o Dir::Cache=$here/cache \
        -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 \
        -o APT::Update::Error-Mode=any "$@"
}

# A minimal image trusts nobody over TLS.
trust_authorities() {
    grep -q '^URIs: https:' $here/sources/*.sources || return 0
    [ ! -s $bundle ] && [ ! -e /etc/ssl/certs/ca-certificates.crt ] || return 0
    apt-get -q -o Acquire::Retries=3 update && apt-get -q -y --no-install-recommends install ca-certificates
}

case $command in
list)
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
    sed -i "s/{codename}/$codename/g" $here/sources/*.sources
    trust_authorities
    apt_here apt-get update >$here/out 2>&1 || {
        cat $here/out
        problem='NO_PUBKEY\|is not signed\|signatures were invalid\|couldn.t be verified\|BADSIG\|EXPKEYSIG\|Missing key\|Sub-process .*gpgv\|Sub-process .*sqv\|Clearsigned file'
        ! grep -q "$problem" $here/out || fail untrusted "$problem"
        fail fault '^E: '
    }
    cat $here/out
    # shellcheck disable=SC2046 # names of packages are words
    apt_here apt-cache madison $(cat $here/names) >$here/found || exit 1
    sed -n 's/^ *\([^ |]*\) *| *\([^ |]*\) *|.*Packages$/repository: version \1 \2/p' $here/found
    ;;
fetch)
    cd $here/fetched && apt_here apt-get download "$@" >$here/out 2>&1 || {
        cat $here/out
        fail fault '^E: '
    }
    cat $here/out
    ;;
esac
