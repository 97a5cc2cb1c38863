"""make_environment.py PREFIX: a virtualenv of Python 2.7 at PREFIX, without any distribution.

Python 2.7 has neither `venv` nor `pyvenv.cfg`. What decides where it looks for modules is where its
program lies, links followed: so a link to the platform's would be the platform's Python, with its
packages. virtualenv copies the program instead, and such a copy and the platform's standard library
part ways with the platform's next update. Here:

- `bin/python2.7` is a program of a few lines that is linked with the platform's shared library of
  this Python and tells it that PREFIX is its home; all of the interpreter is the library's.
- `lib/python2.7/site.py`, which it imports from there before all else, looks for the standard library
  in the platform's folders, does what the platform's own `site` does, and adds the bundle's
  packages. Those of the platform and of users are on no path.

With `-S` there is no standard library, since nobody says where it is. Runs on Python 2.7 with the
standard library only, and needs a C compiler and the shared library.
"""

from __future__ import print_function

import imp
import marshal
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
import tempfile

PROGRAM = """\
/* %(prefix)s/bin/python%(minor)s: the platform's Python, at home in %(prefix)s. */
extern int Py_NoUserSiteDirectory;
extern void Py_SetPythonHome(char *home);
extern int Py_Main(int argc, char **argv);

int main(int argc, char **argv)
{
    static char home[] = "%(prefix)s";
    Py_NoUserSiteDirectory = 1;
    Py_SetPythonHome(home);
    return Py_Main(argc, argv);
}
"""

SITE = '''\
"""Makes the platform's Python %(minor)s one that has the packages of %(prefix)s and no others.

It is imported in the place of the platform's `site`, which it has do its work.
"""

import imp
import sys

STANDARD_LIBRARY = [
%(folders)s]

# What was computed from the home has no standard library in it; PYTHONPATH stands before it.
own = sys.prefix + "/lib"
first = [folder for folder in sys.path if not folder.startswith(own)]
sys.path[:] = first + STANDARD_LIBRARY
# Where the platform's Python is at home, as virtualenv says it.
sys.real_prefix = %(real_prefix)r
imp.load_module("site", *imp.find_module("site", STANDARD_LIBRARY))
sys.modules["site"].addsitedir(sys.prefix + "/lib/python%(minor)s/site-packages")
'''


def folders():
    """Those of the standard library, as the interpreter computes them without `site`."""
    ask = [sys.executable, "-E", "-S", "-c", "import sys; print('\\n'.join(sys.path))"]
    lines = subprocess.check_output(ask).decode("utf-8").splitlines()
    return [str(line) for line in lines if os.path.isabs(line) and os.path.isdir(line)]


def compile_program(values, place):
    work = tempfile.mkdtemp()
    try:
        source = os.path.join(work, "python.c")
        with open(source, "w") as file:
            file.write(PROGRAM % values)
        library = sysconfig.get_config_var("INSTSONAME")
        if not library or ".so" not in library:
            # Debian builds the program without it, and the library beside it.
            library = "libpython%(minor)s.so.1.0" % values
        command = ["cc", "-O2", "-g0", "-o", place, "python.c", "-Wl,--build-id=none", "-s"]
        # A fixed name in a folder of no fixed name: no path is in the program.
        subprocess.check_call(command + ["-l:" + library], cwd=work)
    finally:
        shutil.rmtree(work)


def write_site(values, folder):
    path = os.path.join(folder, "site.py")
    text = SITE % values
    with open(path, "w") as file:
        file.write(text)
    # The time of the source is filled in where it is installed.
    with open(path + "c", "wb") as file:
        file.write(imp.get_magic() + struct.pack("<I", 0))
        file.write(marshal.dumps(compile(text, path, "exec", 0, True)))


def main():
    prefix = sys.argv[1].rstrip("/")
    minor = "%d.%d" % sys.version_info[:2]
    values = {
        "prefix": prefix,
        "minor": minor,
        "real_prefix": sys.prefix,
        "folders": "".join("    %r,\n" % folder for folder in folders()),
    }
    shutil.rmtree(prefix, ignore_errors=True)
    binaries = os.path.join(prefix, "bin")
    library = os.path.join(prefix, "lib", "python" + minor)
    os.makedirs(binaries)
    os.makedirs(os.path.join(library, "site-packages"))
    program = os.path.join(binaries, "python" + minor)
    compile_program(values, program)
    for name in ("python", "python2"):
        os.symlink("python" + minor, os.path.join(binaries, name))
    write_site(values, library)
    # Where Red Hat's Pythons of 64 bits look for `site`.
    if os.path.basename(os.path.dirname(os.path.dirname(os.__file__))) == "lib64":
        os.symlink("lib", os.path.join(prefix, "lib64"))
    # That it starts, and is what it is to be.
    ask = "import site, sys; assert (sys.prefix, site.ENABLE_USER_SITE) == (%r, False)" % prefix
    subprocess.check_call([program, "-c", ask])


if __name__ == "__main__":
    main()
