"""Fetches wheels, and builds wheels from source distributions, several at once.

Argument: a JSON file with `output` and `build` (folders), `python`, `uv` (a command), `jobs`, and
`wanted`: a list of what to make, each with the `name` for messages and one of

    {"file": "x-1-py3-none-any.whl", "url": "...", "sha256": "..."}       a wheel
    {"file": "x-1.tar.gz", "folder": "x-1", "url": "...", "sha256": "..."}  a source distribution
    {"folder": "x-1", "git": "...", "commit": "...", "subfolder": "..."}    a commit

`path` in place of `url` names a file that is there. What is built lands in `output/<number>/`,
`number` being its place in the list; fetched wheels too. Each line of a build is printed behind
the name. Exit status 4: a file is not what it should be. Runs on Python 3.9 and newer with the
standard library only; nothing of a source distribution is imported by this process.
"""

import base64
import concurrent.futures
import hashlib
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile

FETCHES = 16
FIRST_USER = 20000
TRIES = 4
TIMEOUT = 60
OF_GIT = ("SSH_AUTH_SOCK", "GIT_SSH")
DIFFERENT = 4

printing = threading.Lock()
stopped = threading.Event()


class Different(Exception):
    """A file whose digest is not the one that was asked for."""


def say(line):
    with printing:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def opener(url):
    """The address without credentials, and the header that carries them."""
    parts = urllib.parse.urlsplit(url)
    secret = None
    if parts.username is not None:
        user = urllib.parse.unquote(parts.username)
        word = urllib.parse.unquote(parts.password or "")
        token = base64.b64encode("{}:{}".format(user, word).encode()).decode()
        secret = "Basic " + token
        parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    request = urllib.request.Request(
        urllib.parse.urlunsplit(parts), headers={"User-Agent": "omnibuild", "Accept-Encoding": "identity"}
    )
    if secret:
        # Another server that this one names gets no password.
        request.add_unredirected_header("Authorization", secret)
    return request


def read_into(response, path):
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for block in iter(lambda: response.read(1 << 18), b""):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def fetch(wanted, folder):
    """Puts the file into the folder, checked."""
    path = os.path.join(folder, wanted["file"])
    if "path" in wanted:
        with open(wanted["path"], "rb") as file:
            found = read_into(file, path)
    else:
        found = fetch_url(wanted["url"], path)
    if found != wanted["sha256"]:
        os.unlink(path)
        raise Different(
            "different digest: `{}` has sha256 {}, and {} was asked for".format(
                wanted["file"], found, wanted["sha256"]
            )
        )
    return path


def fetch_url(url, path):
    for number in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(opener(url), timeout=TIMEOUT) as response:
                length = response.headers.get("Content-Length")
                digest = read_into(response, path)
            if length is None or os.path.getsize(path) == int(length):
                return digest
            error = "the answer ended early"
        except urllib.error.HTTPError as problem:
            # The server's decision, unless it says that it is busy.
            if problem.code not in (408, 425, 429) and problem.code < 500:
                raise
            error = problem
        except (OSError, http.client.HTTPException) as problem:
            error = problem
        if number == TRIES or stopped.is_set():
            raise OSError("{}".format(error))
        time.sleep(random.uniform(0, 0.5 * 2**number))


def unpack(path, folder):
    """Unpacks a source distribution; its one top folder becomes `folder`."""
    place = folder + ".unpacked"
    os.makedirs(place)
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(place)
    else:
        with tarfile.open(path) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(place, filter="data")
            else:
                archive.extractall(place, members=plain(archive, os.path.realpath(place)))
    entries = [name for name in os.listdir(place) if not name.startswith("._")]
    if len(entries) != 1 or not os.path.isdir(os.path.join(place, entries[0])):
        raise ValueError("`{}` has no single top folder".format(os.path.basename(path)))
    os.rename(os.path.join(place, entries[0]), folder)
    shutil.rmtree(place)


def plain(archive, place):
    """The members of an archive, if all of them stay inside of a folder."""
    for member in archive:
        for name in filter(None, (member.name, member.linkname)):
            inside = os.path.realpath(os.path.join(place, name)).startswith(place + os.sep)
            if not inside or member.isdev():
                raise ValueError("`{}` leaves its folder".format(member.name))
        yield member


def check_out(wanted, folder):
    os.makedirs(folder)

    def git(*words):
        run(wanted["name"], ["git", "-c", "advice.detachedHead=false"] + list(words), folder)

    git("init", "--quiet")
    git("remote", "add", "origin", wanted["git"])
    try:
        git("fetch", "--quiet", "--depth", "1", "origin", wanted["commit"])
    except subprocess.CalledProcessError:
        # Servers may refuse to hand out a commit that no branch ends with.
        git("fetch", "--quiet", "--tags", "origin")
    git("checkout", "--quiet", wanted["commit"])
    git("submodule", "--quiet", "update", "--init", "--recursive")


def run(name, command, folder, **how):
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **how
    )
    with process.stdout:
        for line in process.stdout:
            say("{}: {}".format(name, line.decode("utf-8", "replace").rstrip()))
    if process.wait() != 0:
        raise subprocess.CalledProcessError(process.returncode, command)


def own_user(number, folders):
    """Hands folders to a user of this build alone: no build can reach another's files or wheel."""
    user = FIRST_USER + number
    try:
        for top in folders:
            for place, _, names in os.walk(top):
                for path in [place] + [os.path.join(place, name) for name in names]:
                    os.chown(path, user, user, follow_symlinks=False)
    except PermissionError:
        # An engine that has one user only.
        return {}
    return {"user": user, "group": user, "extra_groups": []}


def build(request, number, wanted, path, output):
    folder = os.path.join(request["build"], wanted["folder"])
    if "git" in wanted:
        check_out(wanted, folder)
    else:
        unpack(path, folder)
    source = os.path.join(folder, wanted.get("subfolder") or "")
    private = os.path.join(request["build"], "private-{}".format(number))
    places = {name: os.path.join(private, name) for name in ("home", "cache", "temporary", "wheel")}
    for place in places.values():
        os.makedirs(place)
    how = own_user(number, [folder, private])
    os.chmod(private, 0o700)
    # The agent is for git; no user but root reaches its socket anyway.
    environment = {name: value for name, value in os.environ.items() if name not in OF_GIT}
    environment.update(HOME=places["home"], UV_CACHE_DIR=places["cache"], TMPDIR=places["temporary"])
    command = request["uv"] + ["build", "--wheel", "--python", request["python"]]
    run(wanted["name"], command + ["--out-dir", places["wheel"], source], source, env=environment, **how)
    for name in os.listdir(places["wheel"]):
        made = os.path.join(places["wheel"], name)
        if name.endswith(".whl") and os.path.isfile(made) and not os.path.islink(made):
            shutil.copyfile(made, os.path.join(output, name))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(private, ignore_errors=True)


def main():
    with open(sys.argv[1]) as file:
        request = json.load(file)
    os.makedirs(request["build"], exist_ok=True)
    sources = os.path.join(request["build"], "sources")
    # Of an earlier round in the same container.
    shutil.rmtree(sources, ignore_errors=True)
    os.makedirs(sources)
    fetches = concurrent.futures.ThreadPoolExecutor(FETCHES)
    builds = concurrent.futures.ThreadPoolExecutor(request["jobs"])
    failures = []

    def fetched(number, wanted):
        output = os.path.join(request["output"], str(number))
        os.makedirs(output)
        is_wheel = wanted.get("file", "").endswith(".whl")
        # Two servers may call their files the same.
        source = os.path.join(sources, str(number))
        os.makedirs(source)
        path = None if "git" in wanted else fetch(wanted, output if is_wheel else source)
        if is_wheel:
            say("Saved {}".format(wanted["file"]))
            return None
        return builds.submit(built, number, wanted, path, output)

    def built(number, wanted, path, output):
        if stopped.is_set():
            return
        say("Building {}".format(wanted["name"]))
        build(request, number, wanted, path, output)
        say("Created wheel for {}".format(wanted["name"]))

    # The longest first: what has to be built is fetched before ready wheels.
    order = sorted(enumerate(request["wanted"]), key=lambda pair: pair[1].get("file", "").endswith(".whl"))
    futures = {fetches.submit(fetched, number, wanted): wanted for number, wanted in order}
    while futures:
        done, _ = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED)
        for future in done:
            wanted = futures.pop(future)
            try:
                following = future.result()
            except Exception as problem:
                stopped.set()
                failures.append((wanted["name"], problem))
            else:
                if following is not None:
                    futures[following] = wanted
    return report(failures)


def report(failures):
    for name, problem in failures:
        if isinstance(problem, subprocess.CalledProcessError):
            say("error: {}: building its wheel ended with status {}".format(name, problem.returncode))
        elif isinstance(problem, Different):
            say("error: {}: {}".format(name, problem))
        else:
            say("error: {}: it can't be fetched: {}".format(name, problem))
    if any(isinstance(problem, Different) for _, problem in failures):
        return DIFFERENT
    return 1 if failures else 0


sys.exit(main())
