#!/usr/bin/env python3
"""Compares omnibuild with a plain script of the kind people write, whole process against whole process.

The plain script runs in one container of the same builder image: `pip wheel`, `python -m venv`,
`pip install --no-index`, then `dpkg-deb --build` or `rpmbuild -bb`, each with its default compression.
It does everything again each time, as such scripts do. Both get the same input on the same machine in the same run, by
turns; the table has medians and their ratios, which say more than seconds do on a busy machine.

    cold wheels        the builder image is there, and nothing else
    one line changed   a commit that adds a line to the application
    nothing changed    the same command again

The bundle `pins` is the sample with a list of 68 distributions beside it.

Peak memory is that of omnibuild itself (wait4(2), what `/usr/bin/time -v` shows as maximum
resident set size): the engine and its containers are not in it, for either side.

Needs docker on this machine, git, and omnibuild built with `cargo build --release`. SSL_CERT_FILE,
PIP_INDEX_URL, OMNIBUILD_NETWORK and the proxy variables reach both sides.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "tests/projects/mytool"
HTTPIE = "httpie==3.2.4"
GOALS = {"cold wheels": 0.6, "one line changed": 0.15, "nothing changed": 0.02}
MEMORY_GOAL_MB = 150
PROXIES = ["http_proxy", "https_proxy", "no_proxy", "all_proxy"]
PROXIES += [name.upper() for name in PROXIES]

# PYTHON is the builder image's own pip, the one that omnibuild resolves with.
PLAIN_SCRIPT = """
set -eu
PYTHON=/usr/lib/omnibuild/python/bin/python
list=
if [ -f /source/.bench-list ]; then list="-r /source/requirements.txt"; fi
# pip may write into the source
cp -r /source /tmp/source
$PYTHON -m pip wheel --no-cache-dir --use-pep517 --wheel-dir /tmp/wheels $list ${APPLICATION:+/tmp/source}
$PYTHON -m venv "/opt/$NAME"
"/opt/$NAME/bin/pip" install --no-index --find-links /tmp/wheels $list $APPLICATION
if ! command -v dpkg-deb; then
    cat >/tmp/bundle.spec <<END
Name: python-$NAME
Version: 1
Release: 1
Summary: $NAME
License: MIT
AutoReqProv: no
%global debug_package %{nil}
%global __os_install_post %{nil}
%description
$NAME
%install
mkdir -p %{buildroot}/opt
cp -a /opt/$NAME %{buildroot}/opt/
%files
/opt/$NAME
END
    rpmbuild -bb --define "_topdir /tmp/rpmbuild" /tmp/bundle.spec
    stat --format=%s /tmp/rpmbuild/RPMS/*/*.rpm
    exit
fi
mkdir -p /tmp/package/DEBIAN /tmp/package/opt
cp -a "/opt/$NAME" /tmp/package/opt/
cat >/tmp/package/DEBIAN/control <<END
Package: python-$NAME
Version: 1
Architecture: $(dpkg --print-architecture)
Maintainer: Bench <bench@acme.example>
Description: $NAME
END
dpkg-deb --root-owner-group --build /tmp/package "/tmp/$NAME.deb"
stat --format=%s "/tmp/$NAME.deb"
"""


def surroundings():
    """The environment without what would decide wheels or platforms in silence."""
    return {name: value for name, value in os.environ.items() if name not in ("PIP_FIND_LINKS", "SYSBASE")}


class Bench:
    """What all measurements share: the programs, the places, the surroundings."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.environment = surroundings()
        # The plain script verifies nothing.
        self.environment["OMNIBUILD_NO_VERIFY"] = "1"

    def omnibuild(self, project, *, cache=None, wheels=None):
        """Runs omnibuild; answers wall time in seconds and peak memory in bytes."""
        argv = [self.options.program, "--project", project, "--sysbase", self.options.platform]
        environment = dict(self.environment, CI="1")
        if cache:
            environment["OMNIBUILD_CACHE_DIR"] = str(cache)
            argv += ["--wheel-dir", wheels]
        with tempfile.TemporaryFile("w+") as log:
            started = time.monotonic()
            process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
            took = time.monotonic() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            check(process, log)
        return took, usage.ru_maxrss * 1024

    def plain(self, project, image, name, application):
        """Runs the plain script; answers wall time in seconds and the package's size in bytes."""
        argv = self.container(f"{project}:/source:ro") + ["--env", f"NAME={name}", "--env", f"APPLICATION={application}", image, "sh", "-c", PLAIN_SCRIPT]
        with tempfile.TemporaryFile("w+") as log:
            started = time.monotonic()
            process = subprocess.Popen(argv, env=self.environment, stdout=log, stderr=log)
            process.wait()
            took = time.monotonic() - started
            check(process, log)
            log.seek(0)
            return took, int(log.read().split()[-1])

    def container(self, *volumes):
        """`docker run` with the user's way to the network."""
        argv = ["docker", "run", "--rm"]
        for volume in volumes:
            argv += ["--volume", volume]
        for name in [*PROXIES, "PIP_INDEX_URL"]:
            if self.environment.get(name):
                argv += ["--env", name]
        if self.environment.get("OMNIBUILD_NETWORK"):
            argv += ["--network", self.environment["OMNIBUILD_NETWORK"]]
        if self.environment.get("SSL_CERT_FILE"):
            certificates = Path(self.environment["SSL_CERT_FILE"]).resolve()
            argv += ["--volume", f"{certificates}:/ca-bundle.pem:ro"]
            for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
                argv += ["--env", f"{name}=/ca-bundle.pem"]
        return argv

    def user_cache(self):
        """The folder that omnibuild keeps bases and builders in."""
        if self.environment.get("OMNIBUILD_CACHE_DIR"):
            return Path(self.environment["OMNIBUILD_CACHE_DIR"])
        root = self.environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(root) / "omnibuild"

    def copy_images(self, cache):
        """Which base and builder images the engine has, and uv; no wheel and no layer."""
        for kept, names in [("bases", "*.json"), ("builders", "*.json"), ("tools", "*")]:
            (cache / "v1" / kept).mkdir(parents=True)
            for record in (self.user_cache() / "v1" / kept).glob(names):
                shutil.copy(record, cache / "v1" / kept)

    def image(self, name):
        """The builder image that omnibuild made for this project: the one that it named last."""
        listed = self.docker(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"omnibuild/{name}"])
        images = [image for image in listed.split() if image.startswith(f"omnibuild/{name}:{self.options.platform}-")]
        if not images:
            sys.exit(f"compare: omnibuild left no image omnibuild/{name}:{self.options.platform}-…")
        named = {image: self.docker(["image", "inspect", "--format", "{{json .Metadata.LastTagTime}}", image]) for image in images}
        return max(images, key=named.get)

    def docker(self, arguments):
        """What a command of docker says."""
        return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, env=self.environment).stdout


def check(process, log):
    """Ends with the command's last lines when it failed: a failed run has no time."""
    if process.returncode:
        log.seek(0)
        sys.stderr.writelines(log.readlines()[-20:])
        sys.exit(f"compare: exit status {process.returncode} of {process.args[0]}")


def commit(project, message):
    git = ["git", "-C", project, "-c", "user.name=bench", "-c", "user.email=bench@acme.example"]
    if not (project / ".git").exists():
        subprocess.run(["git", "init", "--quiet", project], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", message], check=True)


def fresh_copy(source, place, platforms=None):
    """The project as a fresh clone: what omnibuild remembers of it is gone."""
    shutil.rmtree(place, ignore_errors=True)
    ignore = shutil.ignore_patterns(".git", ".omnibuild", "packages")
    shutil.copytree(source, place, symlinks=True, ignore=ignore)
    if platforms:
        shutil.copy(platforms, place / "platforms.toml")
    commit(place, "first")
    return place


def measure(bench, name, source, changed_file=None, application=""):
    """All rounds of one bundle; where there is an application, its name and the file that gets a line more."""
    say(f"{name}: making sure of the builder image")
    platforms = bench.options.platforms
    project = fresh_copy(source, bench.folder / name, platforms)
    bench.omnibuild(project)
    image = bench.image(application or name)
    steps = [step for step in bench.options.step or GOALS if changed_file or step != "one line changed"]
    results = {step: {"plain": [], "omnibuild": []} for step in steps}
    memory, plain_sizes, sizes = [], [], []
    cache, wheels = bench.folder / "cache", bench.folder / "wheels"
    for number in range(1, bench.options.runs + 1):
        if number == 1 or "cold wheels" in steps:
            project = fresh_copy(source, bench.folder / name, platforms)
            for folder in (cache, wheels):
                shutil.rmtree(folder, ignore_errors=True)
            bench.copy_images(cache)
        if "cold wheels" not in steps and number == 1:
            bench.omnibuild(project, cache=cache, wheels=wheels)
        for step in steps:
            if step == "one line changed":
                with open(project / changed_file, "a", encoding="utf-8") as file:
                    file.write(f"# round {number}\n")
                commit(project, "change a line")
            plain, size = bench.plain(project, image, name, application)
            took, peak = bench.omnibuild(project, cache=cache, wheels=wheels)
            results[step]["plain"].append(plain)
            results[step]["omnibuild"].append(took)
            memory.append(peak)
            plain_sizes.append(size)
            say(f"{name}: round {number}, {step}: plain {plain:.1f} s, omnibuild {took:.2f} s, {peak / 1e6:.0f} MB")
        sizes.append(max(path.stat().st_size for path in (project / "packages" / bench.options.platform).iterdir()))
    return {"name": name, "steps": results, "memory": max(memory), "sizes": (statistics.median(plain_sizes), statistics.median(sizes))}


def httpie_source(bench):
    """httpie's source distribution, unpacked; fetched by the pip of a builder image."""
    bench.omnibuild(fresh_copy(SAMPLE, bench.folder / "mytool"))
    image = bench.image("mytool")
    folder = bench.folder / "download"
    folder.mkdir()
    pip = ["/usr/lib/omnibuild/python/bin/python", "-m", "pip", "download", "--no-binary", "httpie", "--no-deps", "--dest", "/download", HTTPIE]
    say(f"fetching the source of {HTTPIE}")
    subprocess.run(bench.container(f"{folder}:/download") + [image, *pip], check=True, env=bench.environment, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("httpie-*.tar.gz")
    shutil.unpack_archive(archive, folder / "source")
    (source,) = (folder / "source").iterdir()
    return source


def pins_source(bench):
    """The sample with a list of requirements beside it, one of which it would have newer."""
    folder = bench.folder / "sample-with-pins"
    shutil.copytree(SAMPLE, folder)
    for name in ("pyproject.toml", "setup.cfg"):
        path = folder / name
        text = path.read_text(encoding="utf-8").replace("requests>=2.25", "requests>=2.18")
        text = text.replace("[tool.omnibuild]\n", '[tool.omnibuild]\nrequirements = ["requirements.txt"]\n')
        path.write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "benches/pins.txt", folder / "requirements.txt")
    (folder / ".bench-list").touch()
    return folder


def list_source(bench, path):
    """A project that is a list of requirements and nothing else."""
    folder = bench.folder / "list"
    folder.mkdir()
    shutil.copy(path, folder / "requirements.txt")
    (folder / ".bench-list").touch()
    name = path.stem.lower().replace("_", "-")
    text = f'name = {json.dumps(name)}\nversion = "1"\nrequirements = ["requirements.txt"]\n'
    (folder / "omnibuild.toml").write_text(text, encoding="utf-8")
    return name, folder


def table(bundles):
    rows = ["| bundle | step | plain script | omnibuild | ratio | goal |", "|---|---|--:|--:|--:|--:|"]
    for bundle in bundles:
        for step, times in bundle["steps"].items():
            plain, own = statistics.median(times["plain"]), statistics.median(times["omnibuild"])
            rows.append(f"| {bundle['name']} | {step} | {plain:.1f} s | {own:.2f} s | **{own / plain:.3f}** | ≤ {GOALS[step]} |")
    rows += ["", "| bundle | package of the plain script | package of omnibuild | peak memory of omnibuild | goal |", "|---|--:|--:|--:|--:|"]
    for bundle in bundles:
        plain, own = (size / 1e6 for size in bundle["sizes"])
        rows.append(f"| {bundle['name']} | {plain:.1f} MB | {own:.1f} MB | **{bundle['memory'] / 1e6:.0f} MB** | ≤ {MEMORY_GOAL_MB} MB |")
    return "\n".join(rows)


def say(text):
    print(text, file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", default="debian-12", help="the platform [%(default)s]")
    parser.add_argument("--platforms", type=Path, help="a platforms.toml to put beside the project, such as tests/standin/platforms.toml")
    parser.add_argument("--runs", type=int, default=3, help="rounds, three at least [%(default)s]")
    parser.add_argument("--program", default=ROOT / "target/release/omnibuild", help="[target/release/omnibuild]")
    parser.add_argument("--requirements", type=Path, action="append", default=[], help="a further bundle: a list of requirements")
    parser.add_argument("--bundle", choices=["mytool", "httpie", "pins"], action="append", help="only this one; repeat it [mytool, httpie]")
    parser.add_argument("--step", choices=GOALS, action="append", help="only this one; repeat it [all]")
    options = parser.parse_args()
    if options.runs < 3:
        parser.error("a median wants three rounds at least")
    names = options.bundle or ["mytool", "httpie"]
    bundles = []
    with tempfile.TemporaryDirectory(prefix="omnibuild-bench-") as folder:
        bench = Bench(options, Path(folder))
        try:
            if "mytool" in names:
                bundles.append(measure(bench, "mytool", SAMPLE, "src/mytool/cli.py", "mytool"))
            if "httpie" in names:
                bundles.append(measure(bench, "httpie", httpie_source(bench), "httpie/__init__.py", "httpie"))
            if "pins" in names:
                bundles.append(measure(bench, "pins", pins_source(bench), "src/mytool/cli.py", "mytool"))
            for path in options.requirements:
                name, source = list_source(bench, path)
                bundles.append(measure(bench, name, source))
                shutil.rmtree(source)
        finally:
            # What was measured before a failure or Ctrl-C was measured.
            if bundles:
                print(f"{options.platform}, medians of {options.runs} rounds, {os.cpu_count()} cores\n")
                print(table(bundles))


if __name__ == "__main__":
    main()
