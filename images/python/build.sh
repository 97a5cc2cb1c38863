#!/bin/sh
# build.sh VERSION optimised|plain
# Builds CPython and all libraries that it needs from the sources in /python-build, without a network,
# into /python-build/output/python, which runs from any path and needs glibc alone.
#
#   sources/<component>    the archive, as its project has it
#   licenses               lines `<component> <path of its licence in the source>`
#   relocate.py            what is appended to sysconfig's data
#   *.patch                changes of ours, `<component>-<what>.patch`
#
# What the archive's bytes depend on is fixed here: paths, time, order, locale.
set -eu
version=$1
kind=$2
root=/python-build
deps=$root/libraries
# As python-build-standalone has it: tools that know its archives know this prefix.
prefix=/install
umask 022
export LC_ALL=C TZ=UTC PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
MAKEFLAGS="-j$(nproc)"
export MAKEFLAGS
mkdir -p "$root/work" "$root/output" "$deps/include" "$deps/lib"

say() {
    echo "build.sh: $1"
}

# What the compiler is told of every library. -g0 leaves no path of this folder; -fPIC, since all of
# them end in shared objects.
flags="-O2 -fPIC -g0"
for flag in "-ffile-prefix-map=$root=." "-fdebug-prefix-map=$root=."; do
    if gcc -Werror "$flag" -E - </dev/null >/dev/null 2>&1; then
        flags="$flags $flag"
        break
    fi
done

# unpack COMPONENT: into its folder, which becomes the current one.
unpack() {
    say "$1"
    folder=$root/work/$1
    mkdir -p "$folder"
    tar -C "$folder" --no-same-owner --strip-components=1 -xf "$root/sources/$1"
    cd "$folder"
    for patch in "$root/$1"-*.patch; do
        if [ -f "$patch" ]; then
            patch -p1 <"$patch"
        fi
    done
}

zlib() {
    unpack zlib
    CFLAGS="$flags" ./configure --static --prefix="$deps"
    make libz.a
    cp libz.a "$deps/lib/"
    cp zlib.h zconf.h "$deps/include/"
}

bzip2() {
    unpack bzip2
    make CFLAGS="$flags -D_FILE_OFFSET_BITS=64" libbz2.a
    cp libbz2.a "$deps/lib/"
    cp bzlib.h "$deps/include/"
}

xz() {
    unpack xz
    ./configure CFLAGS="$flags" --prefix="$deps" --disable-shared --disable-nls --disable-doc \
        --disable-scripts --disable-xz --disable-xzdec --disable-lzmadec --disable-lzmainfo
    make -C src/liblzma install
}

libffi() {
    unpack libffi
    ./configure CFLAGS="$flags" --prefix="$deps" --libdir="$deps/lib" --disable-shared \
        --disable-multi-os-directory --disable-docs --disable-exec-static-tramp
    make install
}

uuid() {
    unpack libuuid
    ./configure CFLAGS="$flags" --prefix="$deps" --libdir="$deps/lib" --disable-shared \
        --disable-all-programs --disable-nls --disable-bash-completion --enable-libuuid
    make libuuid.la
    mkdir -p "$deps/include/uuid"
    cp .libs/libuuid.a "$deps/lib/"
    cp libuuid/src/uuid.h "$deps/include/uuid/"
}

# The terminals are those of the system; its folders have different names.
ncurses() {
    unpack ncurses
    ./configure CFLAGS="$flags" --prefix="$deps" --libdir="$deps/lib" --without-shared \
        --without-debug --without-ada --without-cxx --without-cxx-binding --without-manpages \
        --without-progs --without-tests --enable-widec --enable-overwrite --disable-db-install \
        --disable-stripping --without-pkg-config \
        --with-default-terminfo-dir=/usr/share/terminfo \
        --with-terminfo-dirs=/etc/terminfo:/lib/terminfo:/usr/share/terminfo
    make -C include
    make -C ncurses
    make -C panel
    make -C include install
    make -C ncurses install
    make -C panel install
    for name in ncurses tinfo curses; do
        ln -sf libncursesw.a "$deps/lib/lib$name.a"
    done
}

libedit() {
    unpack libedit
    ./configure CFLAGS="$flags -I$deps/include" LDFLAGS="-L$deps/lib" --prefix="$deps" \
        --libdir="$deps/lib" --disable-shared --disable-examples
    make -C src install
}

sqlite() {
    unpack sqlite
    ./configure --disable-tcl --disable-readline --disable-shared
    make sqlite3.c
    gcc $flags -DSQLITE_THREADSAFE=1 -DSQLITE_ENABLE_FTS3 -DSQLITE_ENABLE_FTS3_PARENTHESIS \
        -DSQLITE_ENABLE_FTS4 -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_GEOPOLY \
        -DSQLITE_ENABLE_DBSTAT_VTAB -DSQLITE_ENABLE_COLUMN_METADATA \
        -DSQLITE_ENABLE_MATH_FUNCTIONS -DHAVE_USLEEP=1 -c sqlite3.c -o sqlite3.o
    ar rcs "$deps/lib/libsqlite3.a" sqlite3.o
    cp sqlite3.h src/sqlite3ext.h "$deps/include/"
}

# The configuration and the certificates are the system's. The folder of engines doesn't exist and
# belongs to nobody but the administrator.
openssl() {
    unpack openssl
    CFLAGS="$flags" ./config --prefix=/usr --libdir=lib/omnibuild-python --openssldir=/etc/ssl \
        no-shared no-module no-tests no-docs no-apps
    make build_libs
    cp libssl.a "$deps/lib/"
    cp libcrypto.a "$deps/lib/libcrypto-static.a"
    # With what it needs itself: CPython's configure names no library behind it.
    echo 'INPUT(libcrypto-static.a -lpthread -ldl)' >"$deps/lib/libcrypto.a"
    cp -R include/openssl "$deps/include/"
}

python() {
    unpack cpython
    # In the program are all modules but those whose libraries are rarely needed or have names that
    # others have, too. That there are some, is what the program knows its folder by.
    cat >Modules/Setup.local <<END
*shared*
_ctypes _ctypes/_ctypes.c _ctypes/callbacks.c _ctypes/callproc.c _ctypes/stgdict.c _ctypes/cfield.c
_curses _cursesmodule.c
_curses_panel _curses_panel.c
_sqlite3 _sqlite/blob.c _sqlite/connection.c _sqlite/cursor.c _sqlite/microprotocols.c _sqlite/module.c _sqlite/prepare_protocol.c _sqlite/row.c _sqlite/statement.c _sqlite/util.c
readline readline.c
END
    # Only files that exist: they come and go from version to version.
    for file in $(sed -n 's/\([^ ]*\.c\)/\n\1\n/gp' Modules/Setup.local | grep '\.c$'); do
        [ -f "Modules/$file" ] || sed -i "s| $file||" Modules/Setup.local
    done
    set -- --prefix="$prefix" --with-openssl="$deps" --with-openssl-rpath=no \
        --with-readline=editline --without-static-libpython --disable-test-modules \
        --with-system-expat=no --with-system-libmpdec=no --enable-loadable-sqlite-extensions \
        --with-ensurepip=install
    # Not --with-lto, too: old compilers link for minutes then, on one core, for a few percent.
    if [ "$kind" = optimised ]; then
        set -- "$@" --enable-optimizations
        # A test that fails in a container without a network makes the profile no worse.
        export PROFILE_TASK="-m test --pgo --timeout=1200 || :"
    fi
    # Flags of the libraries are given to the modules that need them, and those of this build as
    # _NODIST: what sysconfig remembers is what others compile with.
    env MODULE_BUILDTYPE=static \
        CFLAGS_NODIST="-g0 ${flags##*-g0}" LDFLAGS_NODIST="-Wl,--exclude-libs,ALL" \
        LIBS="-lpthread -ldl" \
        ZLIB_CFLAGS="-I$deps/include" ZLIB_LIBS="-L$deps/lib -lz" \
        BZIP2_CFLAGS="-I$deps/include" BZIP2_LIBS="-L$deps/lib -lbz2" \
        LIBLZMA_CFLAGS="-I$deps/include" LIBLZMA_LIBS="-L$deps/lib -llzma" \
        LIBFFI_CFLAGS="-I$deps/include" LIBFFI_LIBS="-L$deps/lib -lffi" \
        LIBUUID_CFLAGS="-I$deps/include/uuid" LIBUUID_LIBS="-L$deps/lib -luuid" \
        LIBSQLITE3_CFLAGS="-I$deps/include" LIBSQLITE3_LIBS="-L$deps/lib -lsqlite3 -lm" \
        LIBEDIT_CFLAGS="-I$deps/include" LIBEDIT_LIBS="-L$deps/lib -ledit -lncursesw" \
        CURSES_CFLAGS="-I$deps/include" CURSES_LIBS="-L$deps/lib -lncursesw" \
        PANEL_CFLAGS="-I$deps/include" PANEL_LIBS="-L$deps/lib -lpanelw -lncursesw" \
        py_cv_module__tkinter=n/a py_cv_module__gdbm=n/a py_cv_module__dbm=n/a \
        py_cv_module__crypt=n/a py_cv_module_nis=n/a \
        ./configure "$@"
    make
    # `-x .` compiles no byte code.
    make -j1 install DESTDIR="$root/staging" COMPILEALL_OPTS="-x ."
}

# What `make install` leaves of the prefix, and what nobody needs.
finish() {
    say finish
    rm -rf "$root/output/python"
    mv "$root/staging$prefix" "$root/output/python"
    cd "$root/output/python"
    lib=lib/python$version
    find . -depth -name __pycache__ -exec rm -rf {} +
    rm -rf share "$lib/idlelib" "$lib/tkinter" "$lib/turtledemo" "$lib/turtle.py" bin/idle* bin/2to3*
    find "$lib" -depth -type d \( -name test -o -name tests -o -name idle_test \) \
        -not -path '*/site-packages/*' -exec rm -rf {} +
    # The makefile answers sysconfig.get_makefile_filename(); the rest is for an interpreter made anew.
    find "$lib"/config-* -type f -not -name Makefile -exec rm -f {} +
    ln -sf "python$version" bin/python3
    ln -sf python3 bin/python
    # Folders of this build become the prefix, which is found anew wherever this Python runs.
    sed -i -E -e 's@ ?-f(file|debug)-prefix-map=[^ "'"'"']*@@g' \
        -e "s@$root/(libraries|work/cpython)@$prefix@g" \
        "$lib"/_sysconfigdata_*.py "$lib"/config-*/Makefile
    for file in "$lib"/_sysconfigdata_*.py; do
        cat "$root/relocate.py" >>"$file"
    done
    for file in bin/*; do
        if [ ! -L "$file" ] && head -c 2 "$file" | grep -q '#!' && head -n 1 "$file" | grep -q python; then
            {
                echo '#!/bin/sh'
                echo "'''exec' \"\$(dirname -- \"\$(readlink -f -- \"\$0\")\")/python$version\" \"\$0\" \"\$@\""
                echo "' '''"
                tail -n +2 "$file"
            } >"$file.new"
            chmod 755 "$file.new"
            mv "$file.new" "$file"
        fi
    done
    sed -i 's|^prefix=.*|prefix=${pcfiledir}/../..|' lib/pkgconfig/*.pc
    strip "bin/python$version"
    strip --strip-unneeded "$lib"/lib-dynload/*.so
    mkdir -p licenses
    while read -r component file; do
        cp "$root/work/$component/$file" "licenses/LICENSE.$component.txt"
    done <"$root/licenses"
    chmod -R u=rwX,go=rX .
}

# A module that could not be built is left out without an error.
check() {
    say check
    "$root/output/python/bin/python3" -I -B - <<END
import importlib, sys, sysconfig
needed = """_bz2 _ctypes _curses _curses_panel _decimal _elementtree _hashlib _lzma _posixshmem _socket
_sqlite3 _ssl _uuid binascii fcntl grp mmap pyexpat readline resource select syslog termios zlib pip"""
missing = []
for name in needed.split():
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing.append(f"{name}: {error}")
values = sysconfig.get_config_vars().items()
foreign = ["$root/libraries", "$root/work", "prefix-map"]
stale = [
    name
    for name, value in values
    if str(value).startswith("$prefix") or any(word in str(value) for word in foreign)
]
if missing or stale:
    sys.exit(f"build.sh: modules that are missing: {missing}; values of the builder: {stale}")
END
}

for component in zlib bzip2 xz libffi uuid ncurses libedit sqlite openssl python finish check; do
    "$component"
done
