"""verify_bundle.py SETTINGS LISTED: what only the installed bundle itself can tell.

Run as root by the bundle's own Python; looks at the files in LISTED, then becomes a user without
rights, runs the commands, imports every module, and prints what the distributions require. Speaks
in the lines of verify.sh. Runs on Python 2.7 and from 3.5 on, with the standard library only.
"""

from __future__ import print_function

import csv
import errno
import importlib
import io
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

PYTHON_2 = sys.version_info[0] == 2
if PYTHON_2:
    import ConfigParser as configparser
    import imp

    MAGIC = imp.get_magic()
    SUFFIXES = [suffix for suffix, _, _ in imp.get_suffixes()]
    EXTENSION_SUFFIXES = [suffix for suffix, _, kind in imp.get_suffixes() if kind == imp.C_EXTENSION]
    ISOLATED = ["-E", "-s"]
else:
    import configparser
    import importlib.machinery
    import importlib.util

    MAGIC = importlib.util.MAGIC_NUMBER
    SUFFIXES = importlib.machinery.all_suffixes()
    EXTENSION_SUFFIXES = importlib.machinery.EXTENSION_SUFFIXES
    ISOLATED = ["-I"]

COMMAND_SECONDS = 30
IMPORT_SECONDS = 60
NOBODY = 65534
BUILD_FOLDER = b"/omnibuild/build"
LARGEST_TEXT = 4 << 20
LARGEST_OUTPUT = 1 << 20
SCRIPT_KEYS = ("ExecStart", "ExecStartPre", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost", "ExecCondition")


def native(data):
    """Bytes as what this Python's own functions take for text: on Python 2 they are that."""
    return data if PYTHON_2 else data.decode("utf-8", "replace")


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")


def say(kind, text):
    sys.stdout.flush()
    text = as_bytes(text).replace(b"\n", b"\\n")
    line = b" ".join([b"verify:", as_bytes(kind), text]) + b"\n"
    getattr(sys.stdout, "buffer", sys.stdout).write(line)
    sys.stdout.flush()


def fault(text):
    say("fault", text)


def finding(check, path, what):
    """What the project may allow in `[[audit.allow]]`, so whether it is a fault is not decided here."""
    said = {"check": check, "path": path, "what": what}
    if PYTHON_2:
        said = dict((key, value.decode("utf-8", "replace")) for key, value in said.items())
    say("finding", json.dumps(said, sort_keys=True))


def shown(names, limit=5):
    more = " and %d more" % (len(names) - limit) if len(names) > limit else ""
    return ", ".join("`%s`" % name for name in names[:limit]) + more


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"


# --- files ------------------------------------------------------------------------------------------


def listed_files(path):
    with open(path, "rb") as file:
        names = file.read().split(b"\n")
    if not PYTHON_2:
        names = [name.decode("utf-8", "surrogateescape") for name in names]
    return [(name, os.lstat(name)) for name in names if name not in ("", "/") and os.path.lexists(name)]


def check_modes(files):
    """Permissions and kinds that no package of an application needs."""
    for name, status in files:
        mode = status.st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            finding("setuid", name, "is setuid or setgid (%04o)" % stat.S_IMODE(mode))
        if not stat.S_ISLNK(mode) and mode & stat.S_IWOTH and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
            finding("world-writable", name, "is world-writable (%04o)" % stat.S_IMODE(mode))
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            finding("special-file", name, "is neither file, folder nor link")
        if stat.S_ISLNK(mode) and not os.path.exists(name):
            finding("dangling-link", name, "is a link to `%s`, which does not exist" % os.readlink(name))


def check_contents(files, prefix):
    """Byte code of another Python, scripts whose interpreter is missing, folders of the builder."""
    other = []
    for name, status in files:
        if not stat.S_ISREG(status.st_mode):
            continue
        with open(name, "rb") as file:
            head = file.read(256)
            if name.endswith(".pyc"):
                if head[:4] != MAGIC:
                    other.append(name)
                continue
            if head[:2] == b"#!" and status.st_mode & 0o111:
                words = native(head[2:].split(b"\n", 1)[0]).split()
                program = words[0] if words else ""
                if not os.access(program, os.X_OK):
                    finding("shebang", name, "is run by `%s`, which is missing" % program)
            if b"\0" in head or status.st_size > LARGEST_TEXT or not name.startswith(prefix + "/"):
                continue
            if BUILD_FOLDER in head + file.read():
                finding("build-path", name, "holds a path of the builder (`%s`)" % BUILD_FOLDER.decode("ascii"))
    if other:
        fault("byte code of another Python than %s: %s" % (sys.version.split()[0], shown(other)))


def unit_settings(path):
    """Sections with lists of values; systemd repeats keys, so configparser can't read units."""
    text = re.sub(r"\\\n", " ", read(path))
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            yield key.strip(), value.strip()


def declared_users(files):
    """Accounts that a package has systemd-sysusers make."""
    users = set()
    for name, _ in files:
        if "/sysusers.d/" in name and name.endswith(".conf"):
            for line in read(name).splitlines():
                words = line.split()
                if len(words) > 1 and words[0].rstrip("!") in ("u", "g", "m"):
                    users.add(words[1])
    return users


def which(program):
    if not PYTHON_2:
        return shutil.which(program)
    from distutils.spawn import find_executable

    found = find_executable(program)
    return found if found and os.access(found, os.X_OK) else None


def exists_user(name):
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def check_units(files):
    users = declared_users(files)
    for name, _ in files:
        if not (name.endswith(".service") and "/systemd/" in name):
            continue
        settings = list(unit_settings(name))
        dynamic = ("DynamicUser", "yes") in settings or ("DynamicUser", "true") in settings
        for key, value in settings:
            if key in SCRIPT_KEYS and value:
                words = value.lstrip("@-:+!|").split()
                program = words[0] if words else ""
                if "%" not in program and not which(program):
                    fault("the unit `%s` starts `%s`, which does not exist" % (name, program))
            if key == "User" and value and "%" not in value and not dynamic:
                if value not in users and not value.isdigit() and not exists_user(value):
                    fault("the unit `%s` runs as `%s`, a user that nothing makes" % (name, value))


# --- commands ---------------------------------------------------------------------------------------


def become_nobody():
    """Nothing after this needs rights, and nothing may depend on them. A home folder of its own."""
    home = tempfile.mkdtemp(prefix="omnibuild-verify-")
    os.chown(home, NOBODY, NOBODY)
    os.chdir("/")
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    os.environ.clear()
    os.environ.update({"HOME": home, "PATH": path, "LC_ALL": "C.UTF-8", "TMPDIR": home, "USER": "nobody"})


class TooLong(Exception):
    """A command that does not end."""


def give_up(_number, _frame):
    raise TooLong()


def run(argv):
    """Runs a command; answers its status (None: none in time) and what it printed."""
    # A file and no pipe: a child in a session of its own outlives the command, and holds a pipe open.
    with tempfile.TemporaryFile() as output, open(os.devnull, "rb") as nothing:
        try:
            process = subprocess.Popen(
                argv, stdin=nothing, stdout=output, stderr=subprocess.STDOUT, close_fds=True, preexec_fn=os.setsid
            )
        except OSError as error:
            return 127 if error.errno == errno.ENOENT else 126, "it can't be started: %s" % error
        signal.signal(signal.SIGALRM, give_up)
        signal.alarm(COMMAND_SECONDS)
        try:
            status = process.wait()
        except TooLong:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            status = None
        finally:
            signal.alarm(0)
        output.seek(0, os.SEEK_END)
        output.seek(max(0, output.tell() - LARGEST_OUTPUT))
        return status, native(output.read(LARGEST_OUTPUT))


def why_not_started(status, output):
    """Why a command that ended so did not even start; None when it did."""
    if status is None:
        return "it does not end within %d seconds" % COMMAND_SECONDS
    if status < 0:
        return "it dies of signal %d" % -status
    if status in (126, 127):
        return last_line(output)
    if status != 0 and "Traceback (most recent call last)" in output:
        return "it ends with an uncaught exception: " + last_line(output)
    return None


def check_command(path):
    """`--version`, or else `--help`, is answered; a command that knows neither must start."""
    for option in ("--version", "--help"):
        status, output = run([path, option])
        if status == 0:
            return
        why = why_not_started(status, output)
        if why and "uncaught exception" not in why:
            break
    if why:
        print(output)
        fault("`%s %s` does not run: %s" % (path, option, why))
    else:
        say("note", "`%s` starts, and knows neither --version nor --help: name a command in `[verify] commands`" % path)


def check_commands(links, commands):
    """The project's own commands; each link that none of them runs, by its options."""
    tried = set()
    for command in commands:
        argv, expected = command["command"], command["status"]
        tried.add(os.path.basename(argv[0]))
        status, output = run(argv)
        if status != expected:
            print(output)
            why = why_not_started(status, output) or "it ends with status %d in place of %d: %s" % (status, expected, last_line(output))
            fault("`%s`: %s" % (" ".join(argv), why))
    for link in links:
        if os.path.basename(link) not in tried:
            check_command(link)
    say("count", "commands %d" % (len(commands) + sum(os.path.basename(link) not in tried for link in links)))


# --- distributions ----------------------------------------------------------------------------------


def distributions(prefix):
    for folder in sorted(path for path in sys.path if path.startswith(prefix + "/") and os.path.isdir(path)):
        for name in sorted(os.listdir(folder)):
            if name.endswith(".dist-info"):
                yield folder, os.path.join(folder, name)


def read(path):
    try:
        with open(path, "rb") as file:
            return native(file.read()).replace("\r\n", "\n")
    except (IOError, OSError):
        return ""


def metadata(info):
    """Name, version and requirements of core metadata's header."""
    name, version, requires = "", "", []
    for line in read(os.path.join(info, "METADATA")).splitlines():
        if not line:
            break
        key, _, value = line.partition(":")
        key, value = key.lower(), value.strip()
        if key == "name":
            name = value
        elif key == "version":
            version = value
        elif key == "requires-dist":
            requires.append(value)
    return {"name": name, "version": version, "requires": requires}


def recorded(info):
    """The paths in RECORD, relative to site-packages."""
    lines = read(os.path.join(info, "RECORD")).splitlines()
    return [row[0] for row in csv.reader(lines) if row]


def is_identifier(text):
    return bool(re.match(r"[A-Za-z_][A-Za-z0-9_]*\Z", text)) if PYTHON_2 else text.isidentifier()


def top_level_modules(paths):
    """The names to import: top-level modules, and the outermost of those below a namespace."""
    suffixes = sorted(SUFFIXES, key=len, reverse=True)
    packages, modules = set(), set()
    for path in paths:
        parts = path.split("/")
        if ".." in parts or parts[0].endswith((".dist-info", ".data")) or "__pycache__" in parts:
            continue
        suffix = next((suffix for suffix in suffixes if parts[-1].endswith(suffix)), None)
        if suffix is None or suffix == ".pyc":
            continue
        parts[-1] = parts[-1][: -len(suffix)]
        if not all(is_identifier(part) for part in parts):
            continue
        if parts[-1] == "__init__" and len(parts) > 1:
            packages.add(".".join(parts[:-1]))
        elif parts[-1] not in ("__init__", "__main__"):
            modules.add(".".join(parts))
    names = packages | modules

    def has_parent(name):
        return any(name[:end] in packages for end in (i for i, letter in enumerate(name) if letter == "."))

    return sorted(name for name in names if not has_parent(name))


def extension_modules(paths):
    """Compiled modules: what nobody imports at once may lack a library, too."""
    for path in paths:
        suffix = next((suffix for suffix in EXTENSION_SUFFIXES if path.endswith(suffix)), None)
        name = path[: -len(suffix)].replace("/", ".") if suffix else ""
        if name and all(is_identifier(part) for part in name.split(".")):
            yield name


def entry_points(info):
    """Commands that an entry point makes: name, module and attribute."""
    text = read(os.path.join(info, "entry_points.txt"))
    parser = configparser.RawConfigParser() if PYTHON_2 else configparser.RawConfigParser(delimiters=("=",))
    parser.optionxform = str
    try:
        if PYTHON_2:
            parser.readfp(io.BytesIO(text))
        else:
            parser.read_string(text)
    except configparser.Error:
        return
    for section in ("console_scripts", "gui_scripts"):
        if parser.has_section(section):
            for name, value in parser.items(section):
                if "[" not in value:
                    module, _, attribute = value.partition(":")
                    yield name, module.strip(), attribute.strip()


def child(job, output):
    """Does one import in a process of its own; never returns."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(IMPORT_SECONDS)
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = [""]
    status = 1
    try:
        module = importlib.import_module(job["module"])
        for name in filter(None, job.get("attribute", "").split(".")):
            module = getattr(module, name)
        status = 0
    except SystemExit as error:
        os.write(2, as_bytes("\nSystemExit: it ends the process (%s)\n" % error))
    except BaseException:
        import traceback

        os.write(2, as_bytes(traceback.format_exc()))
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def import_all(jobs):
    """Each job in a process that has imported nothing of the bundle; answers why it failed."""
    waiting, running = list(reversed(jobs)), {}
    most = max(1, os.sysconf("SC_NPROCESSORS_ONLN"))
    while waiting or running:
        while waiting and len(running) < most:
            job, output = waiting.pop(), tempfile.TemporaryFile()
            sys.stdout.flush()
            process = os.fork()
            if process == 0:
                child(job, output)
            running[process] = (job, output)
        process, status = os.wait()
        if process not in running:
            continue
        job, output = running.pop(process)
        if status == 0:
            continue
        output.seek(0)
        text = native(output.read())
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            slow = "it takes more than %d seconds" % IMPORT_SECONDS
            yield job, slow if number == signal.SIGALRM else "it dies of signal %d" % number, text
        else:
            yield job, last_line(text), text


def check_imports(found, skips, application):
    jobs, skipped = [], []
    for info, data, modules in found:
        own = data["name"] and normalised(data["name"]) == application
        if own:
            modules = sorted(set(modules).union(extension_modules(recorded(info))))
        for module in modules:
            if module in skips or module.split(".")[0] in skips:
                skipped.append(module)
            else:
                jobs.append({"module": module, "of": data["name"]})
        if own:
            for name, module, attribute in entry_points(info):
                jobs.append({"module": module, "attribute": attribute, "entry": name, "of": data["name"]})
    for module in skipped:
        say("note", "`%s` is not imported: %s" % (module, skips.get(module) or skips.get(module.split(".")[0])))
    for module in sorted(set(skips) - set(skipped) - set(name.split(".")[0] for name in skipped)):
        say("note", "`[verify] skip-imports` names `%s`, which is not in the bundle" % module)
    for job, why, text in import_all(jobs):
        print(text)
        if "entry" in job:
            fault("the entry point `%s` of `%s` leads to `%s:%s`: %s" % (job["entry"], job["of"], job["module"], job["attribute"], why))
        else:
            fault("`import %s` (of `%s`) fails: %s" % (job["module"], job["of"], why))
    say("count", "modules %d" % len(jobs))


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def plain(value):
    """A value of JSON with its texts as Python 2 has them."""
    if isinstance(value, dict):
        return dict((plain(key), plain(one)) for key, one in value.items())
    if isinstance(value, list):
        return [plain(one) for one in value]
    return as_bytes(value) if hasattr(value, "encode") else value


def main():
    # Nothing of the bundle may be taken from the folder of this script.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if folder != here]
    with io.open(sys.argv[1], encoding="utf-8") as file:
        settings = json.load(file)
    if PYTHON_2:
        settings = plain(settings)
    prefix = settings["prefix"]
    files = listed_files(sys.argv[2])
    check_modes(files)
    check_contents(files, prefix)
    check_units(files)
    facts = subprocess.check_output([sys.executable] + ISOLATED + ["-B", "/omnibuild/interpreter.py"])
    say("interpreter", json.dumps(json.loads(facts.decode("utf-8")), sort_keys=True))

    become_nobody()
    say("check", "commands")
    check_commands(settings["links"], settings["commands"])

    say("check", "imports")
    if not PYTHON_2:
        importlib.invalidate_caches()
    found = [(info, metadata(info), top_level_modules(recorded(info))) for _, info in distributions(prefix)]
    check_imports(found, settings["skip_imports"], settings["distribution"])

    say("check", "requirements")
    for _, data, _ in found:
        say("distribution", json.dumps(data, sort_keys=True))
    say("done-bundle", "")


if __name__ == "__main__":
    main()
