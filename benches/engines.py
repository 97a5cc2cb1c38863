#!/usr/bin/env python3
"""Compares the sandbox with Docker: the same commands on the sample project, whole process against whole process.

Both run on the same machine in the same run, by turns, verification off, each with caches of its own; the table has
medians and their ratios, which say more than seconds do on a busy machine.

    cold builder       the base is there, and nothing else: the sandbox has it as an archive, and unpacks it. Takes minutes,
                       most of which the network and the package manager take; asked for by --cold-builder
    cold wheels        base and builder image are there, and nothing else
    one line changed   a commit that adds a line to the application
    nothing changed    the same command again

Needs root, docker on this machine, git, and omnibuild built with `cargo build --release`.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

import compare

ENGINES = ["docker", "sandbox"]
COLD_BUILDER = "cold builder"
STEPS = ["cold wheels", "one line changed", "nothing changed"]
GOALS = {"one line changed": 0.3}


def measure(options, folder):
    """Seconds of each step for each engine, of all rounds."""
    bench = compare.Bench(options, folder)
    sandbox = os.environ.get("OMNIBUILD_SANDBOX_DIR") or str(bench.user_cache() / "v1/sandbox")
    bench.environment["OMNIBUILD_SANDBOX_DIR"] = sandbox
    steps = [COLD_BUILDER, *STEPS] if options.cold_builder else STEPS
    results = {step: {engine: [] for engine in ENGINES} for step in steps}
    for engine in ENGINES:
        compare.say(f"{engine}: making sure of the builder image")
        bench.environment["OMNIBUILD_ENGINE"] = engine
        bench.omnibuild(compare.fresh_copy(compare.SAMPLE, folder / engine))
    for number in range(1, options.runs + 1):
        if options.cold_builder:
            for engine in ENGINES:
                took = cold_builder(bench, folder, engine, number)
                results[COLD_BUILDER][engine].append(took)
                compare.say(f"round {number}, {COLD_BUILDER}: {engine} {took:.2f} s")
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


def cold_builder(bench, folder, engine, number):
    """Seconds for a builder image that nobody has, and all behind it; removed again."""
    platform = bench.options.platform
    project, cache = compare.fresh_copy(compare.SAMPLE, folder / f"cold-{engine}"), folder / f"cold-cache-{engine}"
    text = (compare.ROOT / "images" / platform / "Dockerfile").read_text(encoding="utf-8")
    # Before all that is made, so that no layer of another builder serves.
    text = text.replace("FROM ${BASE}\n", f"FROM ${{BASE}}\nENV OMNIBUILD_BENCH={os.getpid()}-{number}\n")
    dockerfile = project / "images" / platform / "Dockerfile"
    dockerfile.parent.mkdir(parents=True)
    dockerfile.write_text(text, encoding="utf-8")
    compare.commit(project, "a builder of its own")
    bench.copy_images(cache)
    for base in (bench.user_cache() / "v1/bases").glob(f"{platform}-*"):
        shutil.copy(base, cache / "v1/bases")
    bench.environment["OMNIBUILD_ENGINE"] = engine
    before = builders()
    kept = bench.environment["OMNIBUILD_SANDBOX_DIR"]
    bench.environment["OMNIBUILD_SANDBOX_DIR"] = str(cache / "sandbox")
    took, _ = bench.omnibuild(project, cache=cache, wheels=cache / "wheels")
    bench.environment["OMNIBUILD_SANDBOX_DIR"] = kept
    made = builders() - before
    if len(made) != (engine == "docker"):
        raise SystemExit(f"engines: {engine} made the builders {made}")
    for image in made:
        subprocess.run(["docker", "image", "rm", image], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(cache)
    return took


def builders():
    """The builder images that Docker has."""
    argv = ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "omnibuild/builder"]
    return set(subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split())


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
    parser.add_argument("--cold-builder", action="store_true", help="with new builder images, too")
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
