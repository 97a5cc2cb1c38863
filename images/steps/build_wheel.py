"""Builds the wheel of the project with its own backend (PEP 517), without a network.

Argument: a JSON file with `source`, `output`, `backend` and `backend_path`; the environment has
the backend on PYTHONPATH. Exit status 3 means that the backend wants more requirements: they are
in `requires.json` in the output folder. Runs on Python 2.7 and from 3.5 on.
"""
import json
import os
import sys


def is_there(requirement):
    """Whether the distribution is installed; its version is the resolver's business."""
    name = requirement
    for stop in " <>=!~;[(@":
        name = name.split(stop)[0]
    try:
        from importlib.metadata import PackageNotFoundError, distribution
    except ImportError:
        from pkg_resources import DistributionNotFound as PackageNotFoundError
        from pkg_resources import get_distribution as distribution
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def main():
    with open(sys.argv[1]) as file:
        request = json.load(file)
    # The folder of this script is no part of the build's path.
    sys.path.pop(0)
    os.chdir(request["source"])
    for folder in reversed(request["backend_path"]):
        sys.path.insert(0, str(os.path.join(request["source"], folder)))
    name, _, attribute = str(request["backend"]).partition(":")
    __import__(name)
    backend = sys.modules[name]
    for part in filter(None, attribute.split(".")):
        backend = getattr(backend, part)
    wanted = getattr(backend, "get_requires_for_build_wheel", lambda: [])()
    missing = [requirement for requirement in wanted if not is_there(requirement)]
    if missing:
        with open(os.path.join(request["output"], "requires.json"), "w") as file:
            json.dump(missing, file)
        return 3
    backend.build_wheel(str(request["output"]))
    return 0


sys.exit(main())
