#!/usr/bin/env python3
"""Compares the sandbox with Docker: the same commands on the sample project, whole process against whole process.

Both run on the same machine in the same run, by turns, verification off, each with caches of its own; bases and builder
images are there. The table has medians and their ratios, which say more than seconds do on a busy machine.

    cold wheels        base and builder image are there, and nothing else
    one line changed   a commit that adds a line to the application
    nothing changed    the same command again

Needs root, docker on this machine, git, and omnibuild built with `cargo build --release`.
"""

import argparse
import os
import shutil
import statistics
import tempfile
from pathlib import Path

import compare

ENGINES = ["docker", "sandbox"]
STEPS = ["cold wheels", "one line changed", "nothing changed"]
GOALS = {"one line changed": 0.3}


def measure(options, folder):
    """Seconds of each step for each engine, of all rounds."""
    bench = compare.Bench(options, folder)
    sandbox = os.environ.get("OMNIBUILD_SANDBOX_DIR") or str(bench.user_cache() / "v1/sandbox")
    bench.environment["OMNIBUILD_SANDBOX_DIR"] = sandbox
    results = {step: {engine: [] for engine in ENGINES} for step in STEPS}
    for engine in ENGINES:
        compare.say(f"{engine}: making sure of the builder image")
        bench.environment["OMNIBUILD_ENGINE"] = engine
        bench.omnibuild(compare.fresh_copy(compare.SAMPLE, folder / engine))
    for number in range(1, options.runs + 1):
        for engine in ENGINES:
            compare.fresh_copy(compare.SAMPLE, folder / engine)
            shutil.rmtree(folder / f"cache-{engine}", ignore_errors=True)
            bench.copy_images(folder / f"cache-{engine}")
        for step in STEPS:
            for engine in ENGINES:
                project, cache = folder / engine, folder / f"cache-{engine}"
                bench.environment["OMNIBUILD_ENGINE"] = engine
                if step == "one line changed":
                    with open(project / "src/mytool/cli.py", "a", encoding="utf-8") as file:
                        file.write(f"# round {number}\n")
                    compare.commit(project, "change a line")
                took, _ = bench.omnibuild(project, cache=cache, wheels=cache / "wheels")
                results[step][engine].append(took)
                compare.say(f"round {number}, {step}: {engine} {took:.2f} s")
    return results


def table(results):
    rows = ["| step | Docker | sandbox | ratio | goal |", "|---|--:|--:|--:|--:|"]
    for step, times in results.items():
        docker, sandbox = (statistics.median(times[engine]) for engine in ENGINES)
        goal = f"≤ {GOALS[step]}" if step in GOALS else ""
        rows.append(f"| {step} | {docker:.2f} s | {sandbox:.2f} s | **{sandbox / docker:.2f}** | {goal} |")
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", default="debian-12", help="the platform [%(default)s]")
    parser.add_argument("--runs", type=int, default=5, help="rounds, three at least [%(default)s]")
    parser.add_argument("--program", default=compare.ROOT / "target/release/omnibuild", help="[target/release/omnibuild]")
    options = parser.parse_args()
    if options.runs < 3:
        parser.error("a median wants three rounds at least")
    # An overlay upon an overlay is refused, and /tmp may be memory.
    with tempfile.TemporaryDirectory(prefix="omnibuild-engines-", dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        results = measure(options, Path(folder))
    print(f"{options.platform}, medians of {options.runs} rounds, {os.cpu_count()} cores\n")
    print(table(results))


if __name__ == "__main__":
    main()
