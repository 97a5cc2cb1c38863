#!/usr/bin/env python3
"""One bundle for many platforms against a bundle for each: whole processes, wall time, in one run.

httpie with a Python of its own, verification off; bases and builder images are there, and nothing else. By turns:

    one bundle     one run for all platforms: the bundle is made on the platform with the oldest C library
    many bundles   a run for each platform, one after the other, each with caches of its own, as a job for each has them

The table has medians, their ratio, and the size of the cache in the end.

Needs docker on this machine, git, omnibuild built with `cargo build --release`, an archive of a standalone Python
(`omnibuild python build`), and the builder images of the platforms: the first round makes those that are missing.
"""

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import compare

PLATFORMS = "centos-7,ubuntu-16.04,ubuntu-18.04,ubuntu-20.04,debian-12,debian-13,ubuntu-24.04,rocky-9"
GOAL = 0.3
CONFIGURATION = """\
name = "httpie"
version = "3.2.4"
maintainer = "Bench <bench@acme.example>"
license = "BSD-3-Clause"
requirements = ["requirements.txt"]
platforms = [{platforms}]
python = "{minor}"
"""


def project(folder, options, platforms):
    """A list of one requirement, for these platforms."""
    folder.mkdir()
    listed = ", ".join(f'"{platform}"' for platform in platforms)
    text = CONFIGURATION.format(platforms=listed, minor=options.minor)
    (folder / "omnibuild.toml").write_text(text, encoding="utf-8")
    (folder / "requirements.txt").write_text("httpie==3.2.4\n", encoding="utf-8")
    digest = hashlib.sha256(options.archive.read_bytes()).hexdigest()
    stand_ins = (compare.ROOT / "tests/standin/platforms.toml").read_text(encoding="utf-8")
    archive = f'{{ path = "{options.archive}", sha256 = "{digest}" }}'
    table = f'\n[python.archive."{options.minor}"]\namd64 = {archive}\narm64 = {archive}\n'
    (folder / "platforms.toml").write_text(stand_ins + table, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    compare.commit(folder, "a list")
    return folder


def run(bench, place, platforms, cache):
    """Seconds of one run."""
    argv = [bench.options.program, "--project", place, "--sysbase", ",".join(platforms), "--wheel-dir", cache / "wheels"]
    environment = dict(bench.environment, CI="1", OMNIBUILD_CACHE_DIR=str(cache))
    with tempfile.TemporaryFile("w+") as log:
        started = time.monotonic()
        process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)
        process.wait()
        took = time.monotonic() - started
        compare.check(process, log)
    return took


def fresh(bench, cache):
    """A cache that knows bases and builders, and nothing else."""
    shutil.rmtree(cache, ignore_errors=True)
    bench.copy_images(cache)
    return cache


def size(cache):
    parts = [cache / "wheels", cache / "v1/layers", cache / "v1/segments"]
    files = (path for part in parts for path in part.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files)


def measure(options, folder):
    bench = compare.Bench(options, folder)
    platforms = options.platforms.split(",")
    one = project(folder / "one", options, platforms)
    many = {platform: project(folder / platform, options, [platform]) for platform in platforms}
    compare.say("making sure of the builder images")
    run(bench, one, platforms, bench.user_cache())
    for platform, place in many.items():
        run(bench, place, [platform], bench.user_cache())
    seconds, bytes_kept = {"one": [], "many": []}, {"one": 0, "many": 0}
    for number in range(1, options.runs + 1):
        shutil.rmtree(one / ".omnibuild", ignore_errors=True)
        cache = fresh(bench, folder / "cache")
        seconds["one"].append(run(bench, one, platforms, cache))
        bytes_kept["one"] = size(cache)
        compare.say(f"round {number}: one bundle {seconds['one'][-1]:.2f} s")
        took, kept = 0, 0
        for platform, place in many.items():
            shutil.rmtree(place / ".omnibuild", ignore_errors=True)
            cache = fresh(bench, folder / "cache")
            took += run(bench, place, [platform], cache)
            kept += size(cache)
        seconds["many"].append(took)
        bytes_kept["many"] = kept
        compare.say(f"round {number}: {len(platforms)} bundles {took:.2f} s")
    return platforms, seconds, bytes_kept


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=lambda text: Path(text).resolve(), help="an archive of a standalone Python")
    parser.add_argument("--minor", default="3.13", help="its minor version [%(default)s]")
    parser.add_argument("--platforms", default=PLATFORMS, help="[%(default)s]")
    parser.add_argument("--runs", type=int, default=3, help="rounds [%(default)s]")
    parser.add_argument("--program", default=compare.ROOT / "target/release/omnibuild", help="[target/release/omnibuild]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="omnibuild-one-bundle-", dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        platforms, seconds, kept = measure(options, Path(folder))
    one, many = (statistics.median(seconds[name]) for name in ("one", "many"))
    print(f"{len(platforms)} platforms, medians of {options.runs} rounds, {os.cpu_count()} cores\n")
    print("| | one bundle | a bundle for each | ratio | goal |\n|---|--:|--:|--:|--:|")
    print(f"| wall time | {one:.1f} s | {many:.1f} s | **{one / many:.2f}** | ≤ {GOAL} |")
    print(f"| wheels, layers, segments kept | {kept['one'] / 1e6:.0f} MB | {kept['many'] / 1e6:.0f} MB | {kept['one'] / kept['many']:.2f} | |")


if __name__ == "__main__":
    main()
