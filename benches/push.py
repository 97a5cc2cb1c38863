#!/usr/bin/env python3
"""What a second release sends to a registry, against the first: bytes, and the time of a push that has nothing to send.

The sample project on debian-12 with one image of all its packages, in a registry of its own on loopback. The first release is pushed, one line of the
application is changed, the second release is pushed, and pushed again. Bytes are those of the blobs that the registry has gained.

Needs docker on this machine (or --engine sandbox), git, docker-registry, and omnibuild built with `cargo build --release`.
"""

import argparse
import os
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import compare

GOAL = 0.05
SECONDS = 1
CONFIGURATION = """
[images.all]
repositories = ["{registry}/bench/mytool"]
entrypoint = ["/usr/bin/mytool"]
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def registry(folder):
    """A registry that keeps its blobs below a folder: its process, and its address."""
    address = f"127.0.0.1:{free_port()}"
    settings = folder / "registry.yml"
    settings.write_text(
        f"version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {folder}/registry }} }}\nhttp: {{ addr: {address} }}\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(["docker-registry", "serve", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    host, port = address.split(":")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex((host, int(port))) == 0:
                return process, address
        time.sleep(0.05)
    raise SystemExit("docker-registry does not start")


def size(folder):
    files = (path for path in (folder / "registry").rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files)


def run(options, project, *words):
    """Seconds of a run."""
    argv = [options.program, "--project", project, "--engine", options.engine, "--sysbase", "debian-12", *words]
    with tempfile.TemporaryFile("w+") as log:
        started = time.monotonic()
        process = subprocess.Popen(argv, env=dict(os.environ, CI="1"), stdout=log, stderr=log)
        process.wait()
        took = time.monotonic() - started
        compare.check(process, log)
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="auto", help="[%(default)s]")
    parser.add_argument("--runs", type=int, default=5, help="pushes of nothing [%(default)s]")
    parser.add_argument("--program", default=compare.ROOT / "target/release/omnibuild", help="[target/release/omnibuild]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="omnibuild-push-", dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        folder = Path(folder)
        project = compare.fresh_copy(compare.ROOT / "tests/projects/mytool", folder / "project")
        process, address = registry(folder)
        try:
            (project / "omnibuild.toml").write_text(CONFIGURATION.format(registry=address), encoding="utf-8")
            (project / ".gitignore").write_text("/packages\n/.omnibuild\n", encoding="utf-8")
            compare.commit(project, "images")
            run(options, project)
            run(options, project, "push")
            first = size(folder)
            source = project / "src/mytool/cli.py"
            source.write_text(source.read_text(encoding="utf-8").replace('print("ok")', 'print("okay")'), encoding="utf-8")
            compare.commit(project, "a line")
            run(options, project, "--tag", "1.4.3")
            run(options, project, "push", "--tag", "1.4.3")
            second = size(folder) - first
            idle = [run(options, project, "push", "--tag", "1.4.3") for _ in range(options.runs)]
            third = size(folder) - first - second
        finally:
            process.terminate()
            process.wait()
    print(f"{os.cpu_count()} cores, engine {options.engine}\n")
    print("| | | goal |\n|---|--:|--:|")
    print(f"| first release | {first / 1e6:.1f} MB | |")
    print(f"| second release, one line changed | {second / 1e6:.2f} MB | |")
    print(f"| ratio | **{second / first:.4f}** | ≤ {GOAL} |")
    print(f"| pushed again | {third} bytes, {statistics.median(idle):.2f} s (median of {options.runs}) | 0 bytes, ≤ {SECONDS} s |")


if __name__ == "__main__":
    main()
