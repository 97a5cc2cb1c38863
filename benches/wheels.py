#!/usr/bin/env python3
"""Compares omnibuild's wheels stage with `pip wheel` of the whole list in the same builder image.

Both get the same list of pins (68 that make 74 wheels, unless --requirements names another), on the
same machine, by turns; the table has medians and their ratios, which say more than seconds do on
a busy machine. What is measured of omnibuild is its wheels stage, from its own events.

    cold          nothing is cached but uv
    one pin       the same cache after another version of one distribution
    warm remote   nothing is cached here, and a remote cache (a folder) has the set

Needs what compare.py needs.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from compare import ROOT, Bench, check, say

GOALS = {"cold": 0.5, "one pin": 0.1, "warm remote": 0.15}
PIN = ("pytz==2022.4", "pytz==2022.5")

# pip of a fresh virtualenv lacks what builds legacy source distributions; getting that is not measured.
PIP_WHEEL = """
set -eu
PYTHON=/usr/lib/omnibuild/python/bin/python
$PYTHON -m pip install --quiet setuptools wheel >&2
before=$(date +%s%N)
$PYTHON -m pip wheel --quiet --no-cache-dir --wheel-dir /tmp/wheels --requirement /project/requirements.txt >&2
echo $(( $(date +%s%N) - before )) $(ls /tmp/wheels | wc -l)
"""


class Wheels(Bench):
    """The wheels stage and its rival."""

    def stage(self, project, cache, wheels, remote=None):
        """Builds; answers the seconds of the wheels stage and what it said."""
        argv = [self.options.program, "--project", project, "--sysbase", self.options.platform, "--json", "--wheel-dir", wheels]
        environment = dict(self.environment, CI="1", OMNIBUILD_CACHE_DIR=str(cache))
        if remote:
            environment["OMNIBUILD_CACHE_REMOTE"] = f"file://{remote}"
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
            check_run(process, log)
        events = [json.loads(line) for line in process.stdout.splitlines()]
        ends = [event for event in events if event.get("stage") == "wheels" and event["event"] in ("stage-finished", "stage-reused")]
        (end,) = ends
        return end["took"], end.get("text") or end.get("reason")

    def pip_wheel(self, project, image):
        """`pip wheel` of the list; answers seconds."""
        argv = self.container(f"{project}:/project:ro") + [image, "sh", "-c", PIP_WHEEL]
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.run(argv, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True)
            check_run(process, log)
        nanoseconds, number = process.stdout.split()
        return int(nanoseconds) / 1e9, int(number)


def check_run(process, log):
    process.args = [str(word) for word in process.args]
    check(process, log)


def measure(bench):
    project = bench.folder / "pins"
    project.mkdir()
    (project / "omnibuild.toml").write_text('name = "pins"\nversion = "1"\nrequirements = ["requirements.txt"]\n', encoding="utf-8")
    text = Path(bench.options.requirements).read_text(encoding="utf-8")
    old, new = bench.options.pin
    if old not in text.split():
        sys.exit(f"wheels: the list does not say {old}: name a pin with --pin")

    def write(text):
        (project / "requirements.txt").write_text(text, encoding="utf-8")

    write(text)
    say("making sure of the builder image")
    bench.omnibuild(project)
    image = bench.image("pins")
    results = {"pip wheel": [], **{step: [] for step in GOALS}}
    for number in range(1, bench.options.runs + 1):
        cache, wheels, remote = (bench.folder / name for name in ("cache", "wheels", "remote"))
        for folder in (cache, wheels, remote, project / ".omnibuild", project / "packages"):
            shutil.rmtree(folder, ignore_errors=True)
        bench.copy_images(cache)
        remote.mkdir()
        write(text)
        seconds, made = bench.pip_wheel(project, image)
        results["pip wheel"].append(seconds)
        say(f"round {number}: pip wheel: {made} wheels, {seconds:.1f} s")

        def step(name):
            seconds, said = bench.stage(project, cache, wheels, remote)
            results[name].append(seconds)
            say(f"round {number}: {name}: {said}, {seconds:.2f} s")

        step("cold")
        write(text.replace(old, new))
        step("one pin")
        write(text)
        shutil.rmtree(wheels)
        shutil.rmtree(project / ".omnibuild")
        step("warm remote")
    return results


def table(results):
    plain = statistics.median(results["pip wheel"])
    rows = ["| step | `pip wheel` | omnibuild | ratio | goal |", "|---|--:|--:|--:|--:|"]
    for step, goal in GOALS.items():
        own = statistics.median(results[step])
        # The remote cache is held against omnibuild's own cold stage.
        against = statistics.median(results["cold"]) if step == "warm remote" else plain
        shown = f"(cold) {against:.1f} s" if step == "warm remote" else f"{against:.1f} s"
        rows.append(f"| {step} | {shown} | {own:.2f} s | **{own / against:.3f}** | ≤ {goal} |")
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", default="debian-12", help="[%(default)s]")
    parser.add_argument("--runs", type=int, default=3, help="rounds [%(default)s]")
    parser.add_argument("--program", default=ROOT / "target/release/omnibuild", help="[target/release/omnibuild]")
    parser.add_argument("--requirements", default=ROOT / "benches/pins.txt", help="a list of requirements [benches/pins.txt]")
    parser.add_argument("--pin", nargs=2, default=PIN, metavar=("OLD", "NEW"), help="the pin to change [%(default)s]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="omnibuild-bench-") as folder:
        results = measure(Wheels(options, Path(folder)))
    print(f"{options.platform}, medians of {options.runs} rounds, {os.cpu_count()} cores\n")
    print(table(results))


if __name__ == "__main__":
    main()
