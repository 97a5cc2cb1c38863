#!/bin/sh
# verify.sh FAMILY PREFIX
# In a clean container of a platform: installs /omnibuild/packages, runs verify_bundle.py by the
# bundle's own Python, reinstalls, removes, purges, installs once more, and upgrades from the packages in
# /omnibuild/previous. What it has to say are lines that begin with `verify: ` and one of
#   check NAME      a check begins; the one before is over
#   skipped REASON  this check could not be made, and need not be
#   note TEXT       a reader should know
#   fault TEXT      something is wrong; the other checks go on
#   finding JSON    something that the project may allow: whoever reads this judges it
#   done            every check was made
# Status 1 when there is a fault.
set -u
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
family=$1
prefix=$2
here=/omnibuild
work=$here/work
mkdir -p "$work"
: >"$work/faults"

say() { printf 'verify: %s\n' "$*"; }
check() { say "check $1"; }
fault() {
    echo x >>"$work/faults"
    say "fault $*"
}
end() {
    [ "$1" != done ] || say done
    [ ! -s "$work/faults" ] || exit 1
    exit 0
}
# Without this nothing else can be checked.
fail() {
    fault "$@"
    end early
}
# The first lines of a list as one line.
few() { sed -n '1,5p' "$1" | tr '\n' ' '; }

names=$(cat $here/names)

# --- what differs by family -----------------------------------------------------------------------

apt() {
    apt-get -q -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o 'Dpkg::Options::=--path-include=*' "$@"
}
# A minimal Red Hat image may have yum only. Packages that were just made carry no signature yet.
yum_or_dnf() {
    if command -v dnf >/dev/null 2>&1; then
        dnf -y --nogpgcheck --setopt=tsflags= --setopt=clean_requirements_on_remove=0 "$@"
    elif command -v yum >/dev/null 2>&1; then
        yum -y --nogpgcheck --setopt=tsflags= --setopt=clean_requirements_on_remove=0 "$@"
    else
        zypper_as_yum "$@"
    fi
}
# openSUSE's, which reinstalls by force and asks about packages without a signature.
zypper_as_yum() {
    operation=$1
    shift
    case $operation in
    reinstall) set -- install --force --allow-unsigned-rpm --no-recommends "$@" ;;
    install) set -- install --allow-unsigned-rpm --no-recommends "$@" ;;
    *) set -- "$operation" "$@" ;;
    esac
    zypper --non-interactive --no-gpg-checks "$@"
}

# Whether all that the packages need beside themselves is installed.
has_needs_debian() {
    apt-get -s -q install --no-install-recommends $here/packages/*.deb >"$work/simulated" 2>&1 || return 1
    sed -n 's/^Inst \([^ :]*\).*/\1/p' "$work/simulated" | sort >"$work/simulated.names"
    tr ' ' '\n' <$here/names | sort | comm -13 - "$work/simulated.names" | grep -q . && return 1
    return 0
}
has_needs_redhat() {
    while IFS= read -r need; do
        [ -z "$need" ] || rpm -q --whatprovides "${need%% *}" >/dev/null 2>&1 || return 1
    done <$here/needs
}

install_debian() { apt install --no-install-recommends "$1"/*.deb; }
install_redhat() { yum_or_dnf install "$1"/*.rpm; }
# yum calls "nothing to do" a success, and a package that conflicts with a file a transaction error.
installed_debian() { dpkg-query -W -f '${db:Status-Abbrev}${Version}\n' "$1" 2>/dev/null | sed -n 's/^ii //p'; }
installed_redhat() { rpm -q --qf '%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n' "$1" 2>/dev/null | grep -v 'not installed'; }
version_debian() { dpkg-deb -f "$1" Version; }
version_redhat() { rpm -qp --qf '%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n' "$1" 2>/dev/null; }
name_debian() { dpkg-deb -f "$1" Package; }
name_redhat() { rpm -qp --qf '%{NAME}\n' "$1" 2>/dev/null; }
reinstall_debian() { apt install --reinstall --no-install-recommends $here/packages/*.deb; }
reinstall_redhat() { yum_or_dnf reinstall $here/packages/*.rpm; }
# shellcheck disable=SC2086 # a package name is one word
remove_debian() { apt remove $1; }
# shellcheck disable=SC2086
remove_redhat() { yum_or_dnf remove $1; }
# dpkg, as apt looks only at packages that a list names.
purge_debian() {
    for name in $1; do
        ! dpkg-query -W "$name" >/dev/null 2>&1 || dpkg --purge "$name" || return 1
    done
}
purge_redhat() { :; }
# shellcheck disable=SC2086
list_debian() { dpkg -L $1 | sed 's,^/\.$,/,' | grep '^/'; }
# shellcheck disable=SC2086
list_redhat() { rpm -ql $1 | grep '^/'; }
# shellcheck disable=SC2086
damaged_debian() { dpkg --verify $1; }
# shellcheck disable=SC2086
damaged_redhat() { rpm -V --nodeps $1; }
# shellcheck disable=SC2086
configuration_debian() { dpkg-query -W -f '${Conffiles}\n' $1 | sed -n 's,^ \(/.*\) [0-9a-f]* *\(obsolete\)*$,\1,p'; }
# shellcheck disable=SC2086
configuration_redhat() { rpm -qc $1 | grep '^/'; }

# --- pieces of checks -----------------------------------------------------------------------------

# Everything on the file system but what is the kernel's, the package managers' own and temporary.
# Sizes of user databases: accounts that a package made may stay.
snapshot() {
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /omnibuild \
        -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/rpm -o -path /usr/lib/sysimage \
        -o -path /var/lib/dnf -o -path /var/lib/yum -o -path /var/lib/zypp -o -path '/var/log/zypp*' -o -path '/var/cache/*' -o -path /var/log/apt \
        -o -path '/var/log/dpkg.log' -o -path /var/log/alternatives.log -o -path '/var/log/dnf*' \
        -o -path '/var/log/yum*' -o -path '/var/log/hawkey*' -o -path /etc/ld.so.cache \
        -o -path '/etc/passwd*' -o -path '/etc/group*' -o -path '/etc/shadow*' -o -path '/etc/gshadow*' \
        -o -path /etc/.pwd.lock -o -path '/etc/subuid*' -o -path '/etc/subgid*' \
        -o -path /var/log/faillog -o -path /var/log/lastlog -o -path /var/log/tallylog \) -prune \
        -o -type f -printf '%p|%y|%m|%U:%G|%s\n' -o -printf '%p|%y|%m|%U:%G|%l\n' 2>/dev/null | sort >"$1"
}

# What differs between two snapshots, but for the paths in a list: `left PATH`, `changed PATH`,
# `gone PATH`. dpkg takes empty folders away that no other package has, such as /opt.
differences() {
    comm -13 "$1" "$2" | sed 's/|.*//' | sort -u >"$work/new"
    comm -23 "$1" "$2" | sed 's/|.*//' | sort -u >"$work/old"
    {
        comm -23 "$work/new" "$work/old" | comm -23 - "$3" | sed 's/^/left /'
        comm -12 "$work/new" "$work/old" | comm -23 - "$3" | sed 's/^/changed /'
        comm -13 "$work/new" "$work/old" | while IFS= read -r path; do
            case $prefix in
            "$path"/*) ;;
            *) printf 'gone %s\n' "$path" ;;
            esac
        done
    } | without_state "$4" >"$work/differences"
}

# Lines of differences that are not below a folder of a list: declared state.
without_state() {
    while IFS= read -r line; do
        path=${line#* }
        declared=
        while IFS= read -r folder; do
            case $path in
            "$folder" | "$folder"/*) declared=yes ;;
            esac
        done <"$1"
        [ -n "$declared" ] || printf '%s\n' "$line"
    done
}

# What stays until a purge: state that packages declare, and on Debian what deb-systemd-helper
# remembers of units, with the links it made.
state_after_removal() {
    cat $here/state
    if [ "$family" = debian ]; then
        echo /var/lib/systemd/deb-systemd-helper-enabled
        echo /var/lib/systemd/deb-systemd-helper-masked
        ls -d /etc/systemd/system/*.wants /etc/systemd/system/*.requires 2>/dev/null
    fi
}

# rpm makes the folders above a package's files and takes away those that a package owns. A system
# that has the folders' packages has them anyway; a minimal one is left with empty ones.
remove_empty_parents() {
    while IFS= read -r path; do
        while path=${path%/*} && [ -n "$path" ]; do echo "$path"; done
    done <"$1" | sort -ur | while IFS= read -r folder; do
        grep -qxF "$folder" "$1" || grep -q "^$folder|" "$work/before" || rmdir "$folder" 2>/dev/null
    done
}

# The packages' lists, the disk and the digests say the same.
compare_files() {
    "list_$family" "$names" | sort -u >"$work/listed"
    cp "$work/listed" $here/listed
    : >"$work/missing"
    while IFS= read -r path; do
        [ -e "$path" ] || [ -L "$path" ] || printf '%s\n' "$path" >>"$work/missing"
    done <"$work/listed"
    [ ! -s "$work/missing" ] || fault "$1missing on disk: $(few "$work/missing")"
    find "$prefix" 2>/dev/null | sort | comm -13 "$work/listed" - >"$work/extra"
    [ ! -s "$work/extra" ] || fault "$1on disk and in no package: $(few "$work/extra")"
    "damaged_$family" "$names" >"$work/damaged" 2>&1
    [ ! -s "$work/damaged" ] || [ -s "$work/missing" ] ||
        fault "$1the package manager finds files altered: $(few "$work/damaged")"
}

# An administrator's change to each file in /etc.
edit_configuration() {
    grep '^/etc/' "$1" >"$work/etc"
    : >"$work/edited"
    while IFS= read -r path; do
        if [ -f "$path" ] && [ ! -L "$path" ]; then
            echo '# an administrator was here' >>"$path"
            echo "$path" >>"$work/edited"
        fi
    done <"$work/etc"
}
keeps_configuration() {
    while IFS= read -r path; do
        grep -q '^# an administrator was here$' "$path" 2>/dev/null ||
            fault "$1 overwrites \`$path\`, which an administrator has changed"
    done <"$work/edited"
}

all_installed() {
    for file in "$1"/*; do
        name=$("name_$family" "$file")
        is=$("installed_$family" "$name")
        [ "$is" = "$("version_$family" "$file")" ] || return 1
    done
}

# What rpm says of a script that fails after an installation, which it calls a success.
failed_script() { grep -m 1 -i 'scriptlet failed\|error in .* scriptlet' "$work/out"; }

# Removes, then purges; what is left after each.
remove_all() {
    configuration=$work/configuration
    "configuration_$family" "$1" | sort -u >"$configuration"
    # A folder with a configuration file in it stays with it; rpm puts changed ones aside.
    {
        cat "$configuration"
        sed 's/$/.rpmsave/' "$configuration"
        while IFS= read -r path; do
            while path=${path%/*} && [ -n "$path" ]; do echo "$path"; done
        done <"$configuration"
    } | sort -u >"$work/may-stay"
    "list_$family" "$1" | sort -u >"$work/to-remove"
    "remove_$family" "$1" >"$work/out" 2>&1 || {
        cat "$work/out"
        fail "$2the package manager can't remove the packages: $(tail -n 1 "$work/out")"
    }
    [ "$family" = debian ] || remove_empty_parents "$work/to-remove"
    state_after_removal >"$work/state"
    snapshot "$work/after"
    differences "$work/before" "$work/after" "$work/may-stay" "$work/state"
    [ ! -s "$work/differences" ] || fault "$2after removal: $(few "$work/differences")"
    "purge_$family" "$1" >"$work/out" 2>&1 || {
        cat "$work/out"
        fail "$2the package manager can't purge the packages: $(tail -n 1 "$work/out")"
    }
    if [ "$family" = redhat ]; then
        # rpm has no purge: an administrator removes what it put aside.
        sed 's/$/.rpmsave/' "$configuration" | while IFS= read -r path; do rm -f "$path"; done
        sed 's,/[^/]*$,,' "$configuration" | sort -ur | while IFS= read -r path; do
            grep -q "^$path|" "$work/before" || rmdir "$path" 2>/dev/null
        done
    fi
    : >"$work/nothing"
    cp "$work/differences" "$work/said"
    case $family in
    debian) cp $here/kept-state "$work/state" ;;
    redhat) cp $here/state "$work/state" ;;
    esac
    snapshot "$work/after"
    differences "$work/before" "$work/after" "$work/nothing" "$work/state"
    [ ! -s "$work/differences" ] || cmp -s "$work/said" "$work/differences" ||
        fault "$2after a purge: $(few "$work/differences")"
}

# --- the checks -----------------------------------------------------------------------------------

check depends
"has_needs_$family" || /bin/sh $here/install_needs.sh "$family" >"$work/out" 2>&1 || {
    cat "$work/out"
    fail "what the packages need from the distribution can't be installed: $(grep -v '^ *$' "$work/out" | grep -m 1 -i 'unmet\|E: \|error\|no match\|not found\|nothing provides\|nor installable\|not installable' || tail -n 1 "$work/out")"
}

check install
snapshot "$work/before"
"install_$family" $here/packages >"$work/out" 2>&1 && all_installed $here/packages || {
    cat "$work/out"
    why=$(grep -m 1 -i 'trying to overwrite\|conflicts with file\|Depends: \|nothing provides\|is needed by\|Requires: \|returned error exit\|scriptlet failed' "$work/out" ||
        grep -m 1 'dpkg: error' "$work/out" || grep -m 1 '^E: \|Error' "$work/out")
    fail "the package manager can't install the packages: $why"
}
cat "$work/out"
! failed_script >"$work/failed" || fault "a script of a package fails: $(cat "$work/failed")"

check files
compare_files ''

check bundle
python=$prefix/bin/python
# Python 2.7 has no -I.
isolated=-I
"$python" -I -c '' >/dev/null 2>&1 || isolated='-E -s'
if [ ! -e "$python" ]; then
    fault "the bundle has no interpreter: \`$python\` is missing, or leads nowhere"
elif ! "$python" $isolated -B -c 'import json, subprocess' >"$work/out" 2>&1; then
    cat "$work/out"
    fault "the bundle's interpreter does not start: \`$python\`: $(tail -n 1 "$work/out")"
else
    [ ! -s "$work/out" ] || {
        cat "$work/out"
        fault "the bundle's interpreter complains: $(few "$work/out")"
    }
    "$python" $isolated -B $here/verify_bundle.py $here/settings.json $here/listed 2>&1 | tee "$work/bundle"
    grep '^verify: fault' "$work/bundle" >>"$work/faults"
    grep -q '^verify: done-bundle' "$work/bundle" || fault "the checks of the bundle did not come to their end"
fi

check "files after use"
compare_files 'after the commands were run: '

check reinstall
edit_configuration "$work/listed"
if "reinstall_$family" >"$work/out" 2>&1; then
    keeps_configuration 'a reinstallation'
else
    cat "$work/out"
    fault "the packages can't be installed again: $(tail -n 1 "$work/out")"
fi

check remove
remove_all "$names" ''

# What the packages left behind, such as an account, must not be in their own way.
check "install again"
# $1: what was there before, for faults
install_again() {
    "install_$family" $here/packages >"$work/out" 2>&1 && all_installed $here/packages || {
        cat "$work/out"
        fail "the packages can't be installed $1: $(grep -m 1 -i 'returned error exit\|scriptlet failed\|^E: \|Error' "$work/out")"
    }
    ! failed_script >"$work/failed" ||
        fault "a script of a package fails when it is installed $1: $(cat "$work/failed")"
}
install_again 'after a purge'
compare_files 'when installed after a purge: '
if [ "$family" = debian ]; then
    # A removal without a purge leaves the configuration, which belongs to the administrator. rpm puts
    # it aside.
    edit_configuration "$work/listed"
    "remove_$family" "$names" >"$work/out" 2>&1
    install_again 'after a removal'
    keeps_configuration 'an installation after a removal'
fi
remove_all "$names" 'installed again, '

check upgrade
previous=$here/previous
if [ -z "$(ls $previous 2>/dev/null)" ]; then
    say "skipped there is no earlier version"
elif ! "install_$family" $previous >"$work/out" 2>&1; then
    cat "$work/out"
    say "skipped the earlier version can't be installed any more: $(grep -m 1 '^E: \|Error' "$work/out")"
else
    old_names=
    for file in $previous/*; do old_names="$old_names $("name_$family" "$file")"; done
    # shellcheck disable=SC2086
    "list_$family" "$old_names" | sort -u >"$work/old-listed"
    edit_configuration "$work/old-listed"
    if "install_$family" $here/packages >"$work/out" 2>&1 && all_installed $here/packages; then
        keeps_configuration 'the upgrade'
        # What the package manager put beside a file that was changed.
        while IFS= read -r path; do rm -f "$path.dpkg-dist" "$path.rpmnew"; done <"$work/edited"
        find "$prefix" 2>/dev/null | sort >"$work/have"
        "list_$family" "$names" | sort -u >"$work/listed"
        comm -13 "$work/listed" "$work/have" >"$work/extra"
        [ ! -s "$work/extra" ] || fault "after the upgrade the earlier version has left: $(few "$work/extra")"
        # apt refuses to go back; dnf does what it is told, and then nothing of the newer may stay.
        "install_$family" $previous >"$work/out" 2>&1
        if ! all_installed $here/packages; then
            find "$prefix" 2>/dev/null | sort >"$work/have"
            comm -13 "$work/old-listed" "$work/have" >"$work/extra"
            all_installed $previous && [ ! -s "$work/extra" ] || {
                cat "$work/out"
                fault "going back to the earlier version is neither refused nor clean: $(few "$work/extra")"
            }
        fi
        # shellcheck disable=SC2086
        all=$(printf '%s\n' $names $old_names | sort -u | while read -r name; do
            [ -z "$("installed_$family" "$name")" ] || echo "$name"
        done | tr '\n' ' ')
        remove_all "$all" 'after the upgrade, '
    else
        cat "$work/out"
        fault "the earlier version can't be upgraded: $(grep -m 1 '^E: \|Error\|Depends\|dpkg: error' "$work/out")"
    fi
fi
end done
