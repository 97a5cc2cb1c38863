"""Compiles Python sources to byte code whose bytes depend on the sources and the interpreter only.

    compile_bytecode.py LIST OUTPUT [PROCESSES]

LIST names one source a line, as absolute UTF-8 paths: the paths at which the sources lie now and
at which they will lie once installed. OUTPUT mirrors absolute paths: the byte code of
/opt/x/a.py goes to OUTPUT/opt/x/__pycache__/a.<cache tag>.pyc (PEP 3147; beside the source, a.pyc,
for Python 2). Each file records a source time of 0, to be filled in later (PEP 552, time-based).
Sources that don't compile are listed, sorted, in OUTPUT/skipped.txt: path, tab, reason.

Runs on Python 2.7 and from 3.5 on, needs no network and imports nothing outside the standard
library. Writes nothing outside OUTPUT.

Why this is not compileall: the bytes that marshal writes depend on the state of the process.

- marshal marks an object that may come again (FLAG_REF) when something besides the code refers to
  it. Up to Python 3.10 that holds for names too, which are one object per process: the same source
  gives other bytes after a file whose encoding made the interpreter load a codec. Here everything
  in a code object is referred to a second time while it is written, so every mark is set.
- A one-character string is one object per process, and is written as interned when anything ever
  interned it. Here all of them are, before the first file.
- Before Python 3.11 a frozenset (`x in {None, "a"}`) is written in the order of its hash table,
  which depends on the hash seed and, for None, on the address at which the interpreter was loaded.
  Here its members are written in the order of their bytes, as Python 3.11 does.

Version 2 of the format has no marks, but repeats every shared constant, which makes larger files
and slower imports, and it can't hold Python 3.14's slice constants.
"""

from __future__ import print_function

import errno
import marshal
import os
import signal
import struct
import sys
import tempfile
import warnings

PYTHON_2 = sys.version_info[0] == 2
# No order may depend on the seed of this process, nor the code on settings like PYTHONOPTIMIZE.
SETTINGS = {"PYTHONHASHSEED": "0"}
CHARACTERS = []
SORTS_SETS = sys.version_info >= (3, 11)


def magic():
    """The first four bytes of a byte code file."""
    if PYTHON_2:
        import imp

        return imp.get_magic()
    from importlib.util import MAGIC_NUMBER

    return MAGIC_NUMBER


def bytecode_path(source):
    """Where the byte code of a source goes (bytes in, bytes out)."""
    if PYTHON_2:
        return source + b"c"
    folder, name = os.path.split(source)
    stem = name.rpartition(b".")[0]
    tag = sys.implementation.cache_tag.encode("ascii")
    return os.path.join(folder, b"__pycache__", stem + b"." + tag + b".pyc")


def header(size):
    """The head of a byte code file for a source of this many bytes, with the time 0."""
    size = size & 0xFFFFFFFF
    if PYTHON_2:
        return magic() + struct.pack("<I", 0)
    if sys.version_info < (3, 7):
        return magic() + struct.pack("<II", 0, size)
    return magic() + struct.pack("<III", 0, 0, size)


CODE_ATTRIBUTES = (
    "co_code",
    "co_consts",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
    "co_filename",
    "co_name",
    "co_qualname",
    "co_linetable" if sys.version_info >= (3, 10) else "co_lnotab",
    "co_exceptiontable",
)


def hold(value, held):
    """Refers to everything that marshal will visit below `value`."""
    stack = [value]
    while stack:
        value = stack.pop()
        held.append(value)
        kind = type(value)
        if kind is CODE:
            for name in CODE_ATTRIBUTES:
                part = getattr(value, name, None)
                if part is not None:
                    stack.append(part)
        elif kind is tuple or kind is frozenset:
            stack.extend(value)
        elif kind is slice:
            stack.extend((value.start, value.stop, value.step))


CODE = type(hold.__code__)


def with_constants(code, constants):
    """The same code object with other constants."""
    if hasattr(code, "replace"):
        return code.replace(co_consts=constants)
    return CODE(
        code.co_argcount,
        code.co_kwonlyargcount,
        code.co_nlocals,
        code.co_stacksize,
        code.co_flags,
        code.co_code,
        constants,
        code.co_names,
        code.co_varnames,
        code.co_filename,
        code.co_name,
        code.co_firstlineno,
        code.co_lnotab,
        code.co_freevars,
        code.co_cellvars,
    )


class Placeholders(object):
    """Takes frozensets out of code objects before they are written, and puts them in after."""

    def __init__(self, source):
        self.source = source
        self.by_identity = {}
        self.found = []

    def take_out(self, value):
        """The value with a unique bytes object in the place of every frozenset."""
        kind = type(value)
        if kind is frozenset:
            if len(value) < 2:
                return value
            if id(value) not in self.by_identity:
                mark = self.unused_mark()
                self.by_identity[id(value)] = mark
                self.found.append((mark, value))
            return self.by_identity[id(value)]
        if kind is tuple:
            parts = tuple(self.take_out(part) for part in value)
            return value if all(map(is_same, parts, value)) else parts
        if kind is CODE:
            constants = self.take_out(value.co_consts)
            return value if constants is value.co_consts else with_constants(value, constants)
        return value

    def unused_mark(self):
        number = 0
        while True:
            mark = b" ".join(
                [b"\xff omnibuild frozenset", str(len(self.found)).encode(), str(number).encode()]
            )
            if mark not in self.source:
                return mark
            number += 1

    def put_in(self, data):
        """The written bytes with the frozensets in their places, members sorted."""
        for mark, value in self.found:
            # Both the mark and the frozenset take one place in the table of references.
            written = b"\xf3" + struct.pack("<I", len(mark)) + mark
            if data.count(written) != 1:
                raise AssertionError("a frozenset was not written once")
            data = data.replace(written, b"\xbe" + sorted_members(value))
        return data


def is_same(one, other):
    return one is other


def sorted_members(value):
    """The members in the order of their bytes, in format 2, which takes no places in the table."""
    members = sorted(without_references(member) for member in value)
    return struct.pack("<I", len(members)) + b"".join(members)


def without_references(value):
    if type(value) is frozenset:
        return b">" + sorted_members(value)
    if type(value) is tuple:
        members = b"".join(without_references(member) for member in value)
        return b"(" + struct.pack("<I", len(value)) + members
    return marshal.dumps(value, 2)


def dump(code, source):
    """The bytes of a code object, whatever this process did before."""
    if PYTHON_2:
        return marshal.dumps(code)
    placeholders = Placeholders(source)
    if not SORTS_SETS:
        code = placeholders.take_out(code)
    held = []
    hold(code, held)
    return placeholders.put_in(marshal.dumps(code))


def compile_one(source_path, output):
    """Compiles one source; returns why it can't be, or None."""
    with open(source_path, "rb") as file:
        source = file.read()
    name = source_path if PYTHON_2 else source_path.decode("utf-8")
    try:
        code = compile(source, name, "exec", 0, True)
        data = dump(code, source)
    except Exception as error:
        return type(error).__name__
    target = output + bytecode_path(source_path)
    try:
        os.makedirs(os.path.dirname(target))
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    with open(target, "wb") as file:
        file.write(header(len(source)))
        file.write(data)
    return None


def work(sources, output, queue, report):
    """Compiles the sources whose numbers come out of the queue."""
    while True:
        number = os.read(queue, 4)
        if not number:
            return
        number = struct.unpack("<I", number)[0]
        reason = compile_one(sources[number], output)
        if reason is not None:
            report.write(("%d\t%s\n" % (number, reason)).encode("ascii"))


def start(sources, output, queue, write_end, report):
    """Starts a process that works on the queue; returns its id."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        os.close(write_end)
        work(sources, output, queue, report)
        report.flush()
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def run(sources, numbers, output, processes):
    """Compiles some sources in parallel; returns reasons by number, and how each process ended."""
    queue, write_end = os.pipe()
    reports = [tempfile.TemporaryFile() for _ in range(processes)]
    started = [start(sources, output, queue, write_end, report) for report in reports]
    os.close(queue)
    try:
        for number in numbers:
            os.write(write_end, struct.pack("<I", number))
    except OSError as error:
        # Every process is gone; how they ended says why.
        if error.errno != errno.EPIPE:
            raise
    os.close(write_end)
    ends = [os.waitpid(process, 0)[1] for process in started]
    reasons = {}
    for report in reports:
        report.seek(0)
        for line in report.read().decode("ascii").splitlines():
            number, reason = line.split("\t")
            reasons[int(number)] = reason
        report.close()
    return reasons, ends


# What an interpreter dies of when a source is nested deeper than its compiler's stack.
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT)


def compile_all(sources, output, processes):
    """Compiles every source; returns reasons by number for those that can't be."""
    sizes = [os.stat(source).st_size for source in sources]
    # Large files first, so that no process starts one when the others have finished.
    numbers = sorted(range(len(sources)), key=lambda number: (-sizes[number], number))
    reasons, ends = run(sources, numbers, output, processes)
    if not any(ends):
        return reasons
    if any(os.WIFEXITED(end) and os.WEXITSTATUS(end) for end in ends):
        raise SystemExit("a process failed")
    # A process died: find the source that killed it, one process each.
    reasons = {}
    for number in numbers:
        reason, (end,) = run(sources, [number], output, 1)
        reasons.update(reason)
        if os.WIFSIGNALED(end) and os.WTERMSIG(end) in CRASHES:
            target = output + bytecode_path(sources[number])
            if os.path.exists(target):
                os.remove(target)
            reasons[number] = "the compiler crashed"
        elif end:
            raise SystemExit("a process died with status %d" % end)
    return reasons


def count_processors():
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return max(1, os.sysconf("SC_NPROCESSORS_ONLN"))


def filesystem_bytes(argument):
    return argument if PYTHON_2 else os.fsencode(argument)


def main():
    settings = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    if settings != SETTINGS:
        others = {name: os.environ[name] for name in os.environ if name not in settings}
        environment = dict(others, **SETTINGS)
        os.execve(sys.executable, [sys.executable, "-s", "-S"] + sys.argv, environment)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    source_list, output = map(filesystem_bytes, sys.argv[1:3])
    processes = int(sys.argv[3]) if len(sys.argv) > 3 else count_processors()
    with open(source_list, "rb") as file:
        sources = [line for line in file.read().split(b"\n") if line]
    intern_string = intern if PYTHON_2 else sys.intern  # noqa: F821
    CHARACTERS.extend(intern_string(chr(number)) for number in range(256))
    if not os.path.isdir(output):
        os.makedirs(output)
    processes = max(1, min(processes, len(sources)))
    reasons = compile_all(sources, output, processes)
    lines = sorted(
        sources[number] + b"\t" + reason.encode("ascii") for number, reason in reasons.items()
    )
    with open(os.path.join(output, b"skipped.txt"), "wb") as file:
        file.write(b"".join(line + b"\n" for line in lines))


if __name__ == "__main__":
    main()
