"""Prints, as one JSON object, the facts about this interpreter that decide what a bundle holds.

Runs on Python 2.7 and from 3.5 on, with the standard library only. Changes nothing.
"""

from __future__ import print_function

import binascii
import glob
import json
import os
import platform
import struct
import sys
import sysconfig

SCHEMA = 1


def magic():
    """The first four bytes of this interpreter's byte code files, as hexadecimal digits."""
    try:
        from importlib.util import MAGIC_NUMBER
    except ImportError:
        import imp

        MAGIC_NUMBER = imp.get_magic()
    return binascii.hexlify(MAGIC_NUMBER).decode("ascii")


def implementation():
    """`cpython`, `pypy`, ..."""
    if hasattr(sys, "implementation"):
        return sys.implementation.name
    return platform.python_implementation().lower()


def cache_tag():
    """The tag in the names of byte code files (PEP 3147); None before Python 3.2."""
    return getattr(getattr(sys, "implementation", None), "cache_tag", None)


def abi():
    """The ABI tag of wheels with extension modules for this interpreter (PEP 425)."""
    soabi = sysconfig.get_config_var("SOABI") or ""
    if soabi.startswith("cpython-"):
        return "cp" + soabi.split("-")[1]
    if soabi.startswith("pypy"):
        return "_".join(soabi.split("-")[:2])
    if implementation() != "cpython":
        return soabi.replace("-", "_").replace(".", "_")
    # Python 2 has no SOABI: PEP 425 composes the tag of build flags.
    flags = ""
    if hasattr(sys, "gettotalrefcount"):
        flags += "d"
    if sysconfig.get_config_var("WITH_PYMALLOC") in (1, None):
        flags += "m"
    if sys.version_info < (3, 3) and sys.maxunicode == 0x10FFFF:
        flags += "u"
    return "cp%d%d%s" % (sys.version_info[0], sys.version_info[1], flags)


def machine():
    """The machine this interpreter was built for, which may be narrower than the kernel's."""
    name = sysconfig.get_platform().split("-")[-1]
    if struct.calcsize("P") == 4:
        return {"x86_64": "i686", "aarch64": "armv7l"}.get(name, name)
    return name


def loaded_libc():
    """The version of glibc that this process runs with; nothing with another C library."""
    import ctypes

    try:
        ask = ctypes.CDLL(None).gnu_get_libc_version
    except AttributeError:
        return ""
    ask.restype = ctypes.c_char_p
    return "glibc " + ask().decode("ascii")


def libc():
    """`glibc 2.36`, `musl`, or `unknown`."""
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        # Python 2 does not know the name, and its libc_ver says what the executable needs.
        version = loaded_libc()
    return version or ("musl" if glob.glob("/lib/ld-musl-*") else "unknown")


def main():
    executable = getattr(sys, "_base_executable", None) or sys.executable
    facts = {
        "schema": SCHEMA,
        "version": platform.python_version(),
        "major_minor": "%d.%d" % sys.version_info[:2],
        "implementation": implementation(),
        "cache_tag": cache_tag(),
        "abi": abi(),
        "magic": magic(),
        "executable": os.path.realpath(executable),
        "machine": machine(),
        "libc": libc(),
    }
    print(json.dumps(facts, sort_keys=True, indent=2))


if __name__ == "__main__":
    main()
