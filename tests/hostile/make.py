"""Writes the corpus of hostile, broken and odd wheels, and what has to be said of each.

    python3 make.py FOLDER      FOLDER/<class>/<wheel>.whl and FOLDER/cases.json

Every case is a sound wheel with one thing changed. Archives are written byte by byte, since no
library writes most of these. Standard library only; the same bytes on every run.
"""

import base64
import hashlib
import json
import pathlib
import struct
import sys
import zlib

GOOD = "ample-1.0-py3-none-any.whl"
INFO = "ample-1.0.dist-info"
METADATA = "Metadata-Version: 2.1\nName: ample\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

CASES = []


class Member:
    """A member of an archive; what its headers say can be changed apart from what it is."""

    def __init__(self, name, content=b"", mode=0o100644, **change):
        self.name = name if isinstance(name, bytes) else name.encode()
        self.content = content if isinstance(content, bytes) else content.encode()
        self.mode = mode
        self.listed = change.pop("listed", True)
        self.change = change


def pack(members, gap=b"", before=b"", behind=b"", end=None, drop=()):
    """The bytes of an archive."""
    body, directory = bytearray(before), bytearray()
    count = 0
    for member in members:
        change = member.change
        deflate = change.get("method", 8) == 8
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        data = packer.compress(member.content) + packer.flush() if deflate else member.content
        data = change.get("data", data)
        flags = change.get("flags", 0 if member.name.isascii() else 1 << 11)
        values = dict(
            flags=flags,
            method=change.get("method", 8),
            crc=zlib.crc32(member.content),
            packed=len(data),
            unpacked=len(member.content),
            name=member.name,
            extra=b"",
            offset=len(body),
        )
        central = dict(values, **change.get("central", {}))
        local = dict(values, **change.get("local", {}))
        body += b"PK\3\4" + struct.pack(
            "<HHHHHIIIHH", 20, local["flags"], local["method"], 0, 33, local["crc"],
            local["packed"], local["unpacked"], len(local["name"]), len(local["extra"]),
        ) + local["name"] + local["extra"] + data + change.get("descriptor", b"") + gap
        if member.name in drop:
            continue
        count += 1
        directory += b"PK\1\2" + struct.pack(
            "<HHHHHHIIIHHHHHII", 3 << 8 | 20, 20, central["flags"], central["method"], 0, 33,
            central["crc"], central["packed"], central["unpacked"], len(central["name"]),
            len(central["extra"]), 0, change.get("disk", 0), 0,
            member.mode << 16, central["offset"],
        ) + central["name"] + central["extra"]
    said = dict(count=count, size=len(directory), start=len(body), comment=b"")
    said.update(end or {})
    tail = b"PK\5\6" + struct.pack(
        "<HHHHIIH", 0, 0, said["count"], said["count"], said["size"], said["start"],
        len(said["comment"]),
    ) + said["comment"]
    return bytes(body + directory + said.get("long", b"") + tail + behind)


def line(member):
    digest = base64.urlsafe_b64encode(hashlib.sha256(member.content).digest()).rstrip(b"=")
    name = member.name.decode("utf-8", "replace")
    name = '"%s"' % name.replace('"', '""') if set(name) & set(',"\n\r') else name
    return "%s,sha256=%s,%d\n" % (name, digest.decode(), len(member.content))


def wheel(*members, metadata=METADATA, info=WHEEL, record=lambda text: text, without=(), at=INFO,
          **packing):
    """A sound wheel with these members too."""
    members = [Member("ample/__init__.py", "x = 1\n"), *members]
    for name, text in [("METADATA", metadata), ("WHEEL", info)]:
        if name not in without:
            members.append(Member(at + "/" + name, text))
    text = "".join(line(member) for member in members if member.listed)
    if "RECORD" not in without:
        members.append(Member(at + "/RECORD", record(text + at + "/RECORD,,\n")))
    return pack(members, **packing)


def case(title, content, verdict, *words, file_name=GOOD):
    CASES.append(dict(title=title, verdict=verdict, words=list(words), file=file_name,
                      content=content))


def refused(title, content, *words, file_name=GOOD):
    case(title, content, "refused", *words, file_name=file_name)


def warned(title, content, *words, file_name=GOOD):
    case(title, content, "warned", *words, file_name=file_name)


def fine(title, content, file_name=GOOD):
    case(title, content, "fine", file_name=file_name)


def names():
    for title, name, word in [
        ("absolute path", "/etc/evil", "absolute"),
        ("parent folder", "../evil.py", "leaves"),
        ("parent folder inside", "ample/../../evil.py", "leaves"),
        ("parent folder at the end", "ample/..", "leaves"),
        ("backslash", "..\\evil.py", "backslash"),
        ("drive letter", "C:/evil.py", "drive"),
        ("empty part", "ample//evil.py", "empty"),
        ("dot part", "./evil.py", "`.`"),
        ("line feed", "ample/a\nb.py", "control"),
        ("NUL", "ample/a.py\0.txt", "control"),
        ("escape sequence", "ample/\x1b[2J.py", "control"),
        ("too long", "ample/%s.py" % ("x" * 260), "255"),
        ("below a file", "ample/__init__.py/x.py", "is a file"),
    ]:
        refused("name: " + title, wheel(Member(name, "x")), word)
    refused("name: not UTF-8", wheel(Member(b"ample/\xff\xfe.py", "x")), "UTF-8")
    refused("name: not marked as UTF-8", wheel(Member("ample/é.py", "x", flags=0)), "marked", "é")
    refused("name: a second one in an extra field",
            wheel(Member("ample/a.py", "x", central=dict(
                extra=struct.pack("<HHBI", 0x7075, 5 + 7, 1, 0) + b"evil.py"))),
            "second name", "ample/a.py")
    fine("name: Unicode", wheel(Member("ample/é ü.py", "x")))
    fine("name: differs in case only", wheel(Member("ample/A.py", "x"), Member("ample/a.py", "y")))
    fine("name: reserved elsewhere", wheel(Member("ample/con.py", "x"), Member("ample/nul", "y")))
    fine("name: a comma and a quote", wheel(Member('ample/a,"b".txt', "x")))


def kinds():
    for title, mode in [("symbolic link", 0o120777), ("block device", 0o060644),
                        ("character device", 0o020644), ("FIFO", 0o010644), ("socket", 0o140644),
                        ("folder as a file", 0o040755)]:
        refused("kind: " + title, wheel(Member("ample/odd", "/etc/passwd", mode)),
                "plain file", "ample/odd")
    refused("kind: folder with a content",
            wheel(Member("ample/sub/", "x", 0o040755, listed=False)), "folder", "ample/sub/")
    fine("kind: folder", wheel(Member("ample/sub/", "", 0o040755, listed=False)))
    fine("kind: set-user-id is dropped", wheel(Member("ample/tool", "x", 0o104755)))


def frames():
    a = lambda **change: Member("ample/a.py", "some text", **change)
    name = "ample/a.py"
    refused("frame: duplicate", wheel(a(), a(listed=False)), "twice", name)
    refused("frame: another name in the header", wheel(a(local=dict(name=b"ample/b.py"))),
            "ample/b.py", name)
    refused("frame: another size in the header", wheel(a(local=dict(unpacked=5))), "size", name)
    refused("frame: another checksum in the header", wheel(a(local=dict(crc=5))), "checksum", name)
    refused("frame: another compression in the header", wheel(a(local=dict(method=0))),
            "compression", name)
    refused("frame: other flags in the header", wheel(a(local=dict(flags=1 << 11))), "flags", name)
    refused("frame: a false descriptor", wheel(a(flags=8, descriptor=b"PK\7\x08" + b"\0" * 12)),
            "behind its data", name)
    refused("frame: no descriptor", wheel(a(flags=8)), "behind its data", name)
    good = struct.pack("<III", zlib.crc32(b"some text"), 11, 9)
    for title, form in [("with", b"PK\7\x08" + good), ("without", good)]:
        fine("frame: descriptor %s signature" % title,
             wheel(a(flags=8, local=dict(crc=0, packed=0, unpacked=0), descriptor=form)))
    refused("frame: overlapping members", wheel(a(central=dict(offset=0))), "`ample/")
    refused("frame: beyond the end", wheel(a(central=dict(packed=1 << 30))), "beyond", name)
    refused("frame: nowhere", wheel(a(central=dict(offset=1 << 30))), "before it")
    refused("frame: a hidden member", wheel(a(), drop=[b"ample/a.py"]), "no member's")
    refused("frame: bytes between members", wheel(a(), gap=b"gap"), "no member's")
    refused("frame: bytes before the first", wheel(a(), before=b"#!/bin/sh\n"), "before it")
    refused("frame: bytes behind the end", wheel(a(), behind=b"more"), "appended")
    refused("frame: a second archive behind", wheel(a()) + wheel(a()), "directory is not where")
    refused("frame: a comment", wheel(a(), end=dict(comment=b"hello")), "appended")
    refused("frame: an end in the comment",
            wheel(a(), end=dict(comment=b"PK\5\6" + b"\0" * 18)), "not a whole zip")
    refused("frame: cut off", wheel(a())[:-30], "cut off")
    refused("frame: cut off at half", wheel(a())[:300], "cut off")
    refused("frame: empty", b"", "not a whole zip")
    refused("frame: no archive", b"<html>404</html>" * 10, "not a whole zip")
    refused("frame: too few counted", wheel(a(), end=dict(count=1)), "number of members")
    refused("frame: too many counted", wheel(a(), end=dict(count=99)), "number of members")
    refused("frame: no directory", wheel(a(), end=dict(start=0)), "directory is not where")
    refused("frame: in another part", wheel(a(disk=1)), "another part", name)
    refused("frame: an extra field cut off", wheel(a(central=dict(extra=b"\1\0\x10\0\0"))),
            "extra field", name)
    long = struct.pack("<HHQQ", 1, 16, 1 << 40, 1 << 40)
    refused("frame: 64-bit sizes of nothing", wheel(a(central=dict(extra=long))), "64-bit", name)
    fine("frame: 64-bit sizes where nobody needs them",
         wheel(a(local=dict(extra=struct.pack("<HHQQ", 1, 16, 9, 11)))))
    fine("frame: 64-bit sizes where they are needed", wheel(a(local=dict(
        extra=struct.pack("<HHQQ", 1, 16, 9, 11), unpacked=0xFFFFFFFF, packed=0xFFFFFFFF))))
    refused("frame: 64-bit sizes twice", wheel(a(central=dict(extra=(
        struct.pack("<HHQ", 1, 8, 9) * 2), unpacked=0xFFFFFFFF))), "64-bit", name)
    refused("frame: 64-bit sizes missing", wheel(a(central=dict(unpacked=0xFFFFFFFF))), name)
    refused("frame: 64-bit sizes that lie", wheel(a(central=dict(
        extra=struct.pack("<HHQ", 1, 8, 1 << 40), unpacked=0xFFFFFFFF))), "size", name)
    refused("frame: a 64-bit end that lies", wheel(a(), end=dict(
        long=struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 1, 1)
        + struct.pack("<4sIQI", b"PK\6\7", 0, 5, 1))), "locator")
    refused("frame: encrypted", wheel(a(flags=1)), "encrypted", name)
    refused("frame: bzip2", wheel(a(method=12)), "compressed by", name)
    refused("frame: an unknown compression", wheel(a(method=99)), name)
    refused("frame: a deflate stream that is none", wheel(a(data=b"\xff" * 9)), name)
    refused("frame: longer than it says",
            wheel(a(central=dict(unpacked=4), local=dict(unpacked=4))), name)
    refused("frame: shorter than it says",
            wheel(a(central=dict(unpacked=99), local=dict(unpacked=99))), name)


def bombs():
    zeros = 300 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    chunk = bytes(1 << 20)
    data = b"".join(packer.compress(chunk) for _ in range(300)) + packer.flush()
    said = dict(unpacked=zeros)
    refused("bomb: an honest one", wheel(Member("ample/zeros", b"", data=data, local=said,
            central=said)), "unpacked size", "ample/zeros")
    said = dict(unpacked=10)
    refused("bomb: one that lies", wheel(Member("ample/zeros", bytes(10), data=data, local=said,
            central=said)), "ample/zeros")
    said = dict(unpacked=0xFFFFFFF0)
    refused("bomb: by its header", wheel(Member("ample/zeros", b"", local=said, central=said)),
            "unpacked size", "ample/zeros")
    refused("bomb: metadata", wheel(metadata=METADATA + "X" * (17 << 20)), "METADATA", "more than")
    refused("bomb: RECORD of many lines",
            wheel(record=lambda text: text + "".join("%d,,\n" % n for n in range(200_001))),
            "RECORD", "more than")


def metadata():
    refused("metadata: another name", wheel(metadata=METADATA.replace("ample", "sample")),
            "METADATA", "`sample`", "`ample`")
    refused("metadata: another version", wheel(metadata=METADATA.replace("1.0", "1.1")),
            "METADATA", "`1.1`", "`1.0`")
    refused("metadata: two names", wheel(metadata=METADATA + "Name: evil\n"), "more than once")
    refused("metadata: nonsense", wheel(metadata="nonsense"), "METADATA", "malformed")
    for name in ["METADATA", "WHEEL", "RECORD"]:
        refused("metadata: no " + name, wheel(without=[name]), name, "missing")
    refused("metadata: none at all", pack([Member("ample/a.py", "x")]), "dist-info", "missing")
    refused("metadata: two folders", wheel(Member("evil-2.dist-info/METADATA", "x")),
            "second", "evil-2.dist-info")
    refused("metadata: another's folder", wheel(at="evil-2.dist-info"), "evil-2.dist-info")
    refused("metadata: the file is another's", wheel(), "`ample`", "`other`",
            file_name="other-1.0-py3-none-any.whl")
    refused("metadata: the file is another version's", wheel(), "`1.0`", "`2.0`",
            file_name="ample-2.0-py3-none-any.whl")
    refused("metadata: no file name of a wheel", wheel(), "file name", file_name="ample.whl")
    fine("metadata: another spelling", wheel(
        metadata=METADATA.replace("ample", "Ample").replace("1.0", "1.0.0")))
    refused("format: version 2", wheel(info=WHEEL.replace("1.0", "2.0")), "WHEEL", "version `2.0`")
    refused("format: no version", wheel(info="Root-Is-Purelib: true\n"), "WHEEL", "version ``")
    refused("format: a root that is neither", wheel(info=WHEEL.replace("true", "maybe")), "maybe")


def tags():
    refused("tags: another Python", wheel(), "no tag", "3.11",
            file_name="ample-1.0-cp310-cp310-linux_x86_64.whl")
    refused("tags: another machine", wheel(), "no tag", "x86_64",
            file_name="ample-1.0-cp311-cp311-manylinux2014_aarch64.whl")
    refused("tags: a newer C library", wheel(), "no tag", "glibc 2.36",
            file_name="ample-1.0-cp311-cp311-manylinux_2_99_x86_64.whl")
    refused("tags: another system", wheel(), "no tag", file_name="ample-1.0-py3-none-win_amd64.whl")
    says = lambda tag: wheel(info=WHEEL.replace("py3-none-any", tag))
    refused("tags: renamed", says("cp312-cp312-win_amd64"), "WHEEL", "cp312-cp312-win_amd64",
            "none is a tag")
    refused("tags: renamed from another machine", says("cp39-abi3-manylinux_2_17_aarch64"), "WHEEL",
            "manylinux_2_17_aarch64", "x86_64", file_name="ample-1.0-cp39-abi3-manylinux_2_17_x86_64.whl")
    refused("tags: renamed from another C library", says("cp311-cp311-musllinux_1_2_x86_64"), "WHEEL",
            "musllinux_1_2", "glibc 2.36", file_name="ample-1.0-cp311-cp311-manylinux_2_17_x86_64.whl")
    refused("tags: a newer C library inside", says("cp39-cp39-manylinux_2_99_x86_64"), "WHEEL",
            "manylinux_2_99", "glibc 2.36", file_name="ample-1.0-cp39-abi3-manylinux_2_17_x86_64.whl")
    # As builders do that make one wheel for the stable ABI (matrix-synapse 1.119.0).
    warned("tags: renamed for the stable ABI", says("cp39-cp39-manylinux_2_17_x86_64"), "WHEEL",
           "cp39-cp39-manylinux_2_17_x86_64", "Python 3.11", "it decides",
           file_name="ample-1.0-cp39-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
    warned("tags: renamed for another Python", says("py2-none-any"), "WHEEL", "py2-none-any")
    refused("tags: none", wheel(info=WHEEL.replace("py3-none-any", "what is this")),
            "WHEEL", "no tag")
    fine("tags: not said inside", wheel(info=WHEEL.replace("Tag: py3-none-any\n", "")))
    fine("tags: one of several", wheel(info=WHEEL + "Tag: py2-none-any\n"),
         file_name="ample-1.0-py2.py3-none-any.whl")


def records():
    a = Member("ample/a.py", "text")
    refused("RECORD: a file is not listed", wheel(Member("ample/b.py", "x", listed=False)),
            "not listed", "ample/b.py")
    refused("RECORD: another checksum",
            wheel(a, record=lambda text: text.replace("a.py,sha256=", "a.py,sha256=0")),
            "not what RECORD", "ample/a.py")
    refused("RECORD: another size", wheel(a, record=lambda text: text.replace(",4\n", ",5\n")),
            "not what RECORD", "ample/a.py")
    md5 = base64.urlsafe_b64encode(hashlib.md5(b"text").digest()).decode()
    listed = lambda checksum: lambda text: text.replace(line(a), "ample/a.py,%s,4\n" % checksum)
    refused("RECORD: a weak checksum", wheel(a, record=listed("md5=" + md5)), "md5", "ample/a.py")
    refused("RECORD: no checksum", wheel(a, record=listed("")), "no checksum", "ample/a.py")
    refused("RECORD: two lines that disagree", wheel(a, record=lambda text: text + "ample/a.py,,\n"),
            "twice", "ample/a.py")
    refused("RECORD: metadata is not listed",
            wheel(record=lambda text: "\n".join(line for line in text.split("\n")
                                                if "METADATA" not in line)), "METADATA", "not listed")
    fine("RECORD: a line without a file", wheel(record=lambda text: text + "gone.py,sha256=x,1\n"))


def commands():
    points = lambda text: wheel(Member(INFO + "/entry_points.txt", "[console_scripts]\n" + text))
    for title, text, word in [
        ("leaves the folder", "../../evil = a:b", "../../evil"),
        ("is a path", "a/b = a:b", "a/b"),
        ("has no name", " = a:b", "file name"),
        ("has a control character", "a\x07b = a:b", "file name"),
        ("runs code", "x = a:b();import os", "module:function"),
        ("runs code by its module", "x = a;b:c", "module:function"),
        ("calls nothing", "x = a", "no function"),
        ("is no line", "x", "name = module:function"),
        ("is declared twice", "x = a:b\nx = a:c", "twice"),
        ("is the interpreter", "python3 = a:b", "python3"),
    ]:
        refused("entry point: " + title, points(text), "entry_points.txt", word)
    fine("entry point", points("ample = ample:main"))
    data = "ample-1.0.data/"
    refused("data: an unknown scheme", wheel(Member(data + "evil/x", "x")), "scheme", "evil")
    refused("data: no scheme", wheel(Member(data + "x", "x")), "scheme")
    refused("data: a script in place of the interpreter", wheel(Member(data + "scripts/python3.11")),
            "interpreter", "python3.11")
    refused("data: a file in place of the interpreter", wheel(Member(data + "data/bin/python", "x")),
            "interpreter", "bin/python")
    refused("data: the environment's configuration", wheel(Member(data + "data/pyvenv.cfg", "x")),
            "interpreter", "pyvenv.cfg")
    fine("data: every scheme", wheel(*[Member(data + scheme + "/x", "x") for scheme in
                                       ["data", "headers", "platlib", "purelib", "scripts"]]))


def policies():
    warned("policy: a start-up file", wheel(Member("ample.pth", "import os\n")), "ample.pth",
           "start of Python")
    warned("policy: a start-up file by its scheme",
           wheel(Member("ample-1.0.data/purelib/ample.pth", "x")), "ample.pth", "start of Python")
    warned("policy: a start-up file by the prefix",
           wheel(Member("ample-1.0.data/data/lib/python3.11/site-packages/ample.pth", "x")),
           "ample.pth", "start of Python")
    warned("policy: sitecustomize", wheel(Member("sitecustomize.py", "x")), "sitecustomize.py",
           "start of Python")
    warned("policy: usercustomize", wheel(Member("usercustomize/__init__.py", "x")),
           "usercustomize", "start of Python")
    warned("policy: a module of the standard library", wheel(Member("json/__init__.py", "x")),
           "json/__init__.py", "module `json`")
    warned("policy: a compiled one", wheel(Member("select.cpython-311-x86_64-linux-gnu.so", "x")),
           "module `select`")
    for name, owner in [("pip", "pip"), ("setuptools", "setuptools"),
                        ("pkg_resources", "setuptools"), ("_distutils_hack", "setuptools")]:
        warned("policy: " + name, wheel(Member(name + "/evil.py", "x")), name + "/evil.py",
               "belongs to `%s`" % owner)
    fine("policy: a folder without modules", wheel(Member("test/data.txt", "x")))
    fine("policy: a start-up file that nothing reads", wheel(Member("ample/x.pth", "x")))


def main():
    folder = pathlib.Path(sys.argv[1])
    fine("sound", wheel())
    for part in [names, kinds, frames, bombs, metadata, tags, records, commands, policies]:
        part()
    for number, one in enumerate(CASES):
        place = folder / ("%03d" % number)
        place.mkdir(parents=True)
        (place / one["file"]).write_bytes(one.pop("content"))
        one["file"] = "%03d/%s" % (number, one["file"])
    (folder / "cases.json").write_text(json.dumps(CASES, indent=1))


if __name__ == "__main__":
    main()
