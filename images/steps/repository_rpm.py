"""repository_rpm.py list | fetch NAME=EPOCH:VERSION-RELEASE...

Asks dnf 4, or yum where there is no dnf, for packages in the repository of
/omnibuild/repository/sources/*.repo and in no other. Run by the Python that the package manager is
written in, which may be 2.7.

list    which versions of the packages in /omnibuild/repository/names it has
fetch   puts these packages into /omnibuild/repository/fetched

What it has to say are lines that begin with `repository: ` and one of
    version NAME VERSION  the repository has it
    untrusted TEXT        who signed it is not who was named, or nobody did
    fault TEXT            it can't be reached, or is no repository
Status 1 after one of the last two.
"""

import os
import shutil
import subprocess
import sys

HERE = "/omnibuild/repository"
SOURCES = HERE + "/sources"
CACHE = HERE + "/cache"
FETCHED = HERE + "/fetched"
# There when each package has to carry a signature by the key.
SIGNED_PACKAGES = HERE + "/signed-packages"
KEY = HERE + "/key.asc"


def say(word, text):
    sys.stdout.write("repository: %s %s\n" % (word, " ".join(str(text).split())))
    sys.stdout.flush()


class Dnf(object):
    """dnf 4 by its API: what `dnf repoquery` and `dnf download` do, which is a plugin."""

    def __init__(self, names):
        import dnf
        import dnf.rpm

        self.base = dnf.Base()
        conf = self.base.conf
        conf.read()
        conf.substitutions["releasever"] = dnf.rpm.detect_releasever(conf.installroot) or ""
        conf.reposdir = [SOURCES]
        conf.cachedir = CACHE
        conf.retries = 3
        self.base.read_all_repos()
        self.base.fill_sack(load_system_repo=False)
        self.packages = list(self.base.sack.query().filter(name=names))

    @staticmethod
    def version(package):
        return package.evr

    def fetch(self, packages):
        self.base.download_packages(packages)


class Yum(object):
    """yum 3.4 by its API: what `yumdownloader` does, which is another package."""

    def __init__(self, names):
        import yum

        self.base = yum.YumBase()
        self.base.preconf.debuglevel = 0
        self.base.preconf.errorlevel = 0
        self.base.preconf.init_plugins = False
        conf = self.base.conf
        conf.reposdir = [SOURCES]
        conf.assumeyes = True
        conf.cachedir = CACHE
        self.base.repos.setCacheDir(CACHE)
        self.packages = list(self.base.pkgSack.searchNames(names))

    @staticmethod
    def version(package):
        version = "%s-%s" % (package.version, package.release)
        return version if package.epoch in (None, "0", 0) else "%s:%s" % (package.epoch, version)

    def fetch(self, packages):
        problems = self.base.downloadPkgs(packages)
        for package in problems:
            raise RuntimeError("%s: %s" % (package, "; ".join(str(line) for line in problems[package])))


def check_signatures(files):
    """By a database of keys that has this one alone: the distribution's have no say."""
    database = HERE + "/keys"
    os.mkdir(database)
    if subprocess.call(["rpm", "--dbpath", database, "--import", KEY]) != 0:
        say("untrusted", "rpm can't read the key")
        sys.exit(1)
    for path in files:
        rpm = subprocess.Popen(
            ["rpm", "--dbpath", database, "-Kv", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
        )
        lines = [line.strip() for line in rpm.communicate()[0].splitlines()]
        sys.stdout.write("\n".join(lines) + "\n")
        signatures = [line for line in lines if "signature" in line.lower()]
        if rpm.returncode != 0 or not any(line.endswith(": OK") for line in signatures):
            bad = [line for line in signatures if not line.endswith(": OK")]
            why = bad[0] if bad else "it carries no signature"
            say("untrusted", "%s: %s" % (os.path.basename(path), why))
            sys.exit(1)


def is_about_trust(error):
    text = str(error).lower()
    return any(word in text for word in ("gpg", "signature", "public key"))


def main():
    with open(HERE + "/names") as names_file:
        names = names_file.read().split()
    try:
        import dnf as _dnf  # noqa: F401
    except ImportError:
        manager = Yum
    else:
        manager = Dnf
    # What failed is told by the package manager's own exceptions, of which there are many.
    try:
        found = manager(names)
        if sys.argv[1] == "list":
            for package in found.packages:
                say("version", "%s %s" % (package.name, found.version(package)))
            return
        wanted = set(sys.argv[2:])
        chosen = [
            package
            for package in found.packages
            if "%s=%s" % (package.name, found.version(package)) in wanted
        ]
        found.fetch(chosen)
    except Exception as error:
        say("untrusted" if is_about_trust(error) else "fault", error)
        sys.exit(1)
    if not os.path.isdir(FETCHED):
        os.mkdir(FETCHED)
    for package in chosen:
        shutil.copy(package.localPkg(), FETCHED)
    if os.path.exists(SIGNED_PACKAGES):
        check_signatures([os.path.join(FETCHED, name) for name in sorted(os.listdir(FETCHED))])


if __name__ == "__main__":
    main()
