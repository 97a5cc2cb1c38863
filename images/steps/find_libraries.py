"""Says which installed packages have the shared libraries that a bundle needs.

Usage: find_libraries.py QUESTION
The file has a JSON object: `manager` (dpkg or rpm) and `libraries`, which gives for each name of a
library the `versions` (nodes such as GLIBC_2.17) and `symbols` (`name` or `name@node`) that are
wanted of it. Prints a JSON object with what was found for each library that some package has:

    package       the package that has it
    dependencies  templates of dependencies and the minimal versions that symbols ask for: the
                  greatest of them stands for #MINVER# (deb-symbols(5)); none for rpm
    lacks         the nodes that the installed library does not have

dpkg: *.symbols, then *.shlibs, then whatever package owns the file, as dpkg-shlibdeps does it.
rpm: the capabilities that rpm's own dependency generator gives to packages.

Runs with Python 2.7 and from 3.5 on. Reads only.
"""
import glob
import json
import os
import re
import subprocess
import sys
from io import open

INFO = "/var/lib/dpkg/info"


def run(*words):
    """What a command prints, and its status."""
    environment = dict(os.environ, LC_ALL="C")
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )
    output, _ = process.communicate()
    return output.decode("utf-8", "replace"), process.returncode


def package_files(suffix, architecture):
    """The packages that have a control file of a kind, with its path."""
    for path in sorted(glob.glob(os.path.join(INFO, "*" + suffix))):
        package = os.path.basename(path)[: -len(suffix)]
        name, _, of = package.partition(":")
        if of in ("", architecture):
            yield name, path


def read_symbols(path, wanted):
    """The wanted libraries of a symbols file: templates, and (version, template) of each symbol."""
    found = {}
    current = None
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if not line or line.startswith("#") or line.startswith("*"):
                continue
            if line.startswith("|"):
                if current is not None:
                    current["templates"].append(line[1:].strip())
            elif line.startswith(" "):
                if current is None:
                    continue
                words = line.split()
                number = int(words[2]) if len(words) > 2 else 0
                current["symbols"][words[0]] = (words[1], number)
            else:
                soname, _, template = line.partition(" ")
                current = None
                if soname in wanted and soname not in found:
                    current = {"templates": [template.strip()], "symbols": {}}
                    found[soname] = current
    return found


def by_symbols(package, library, wanted):
    """The answer for a library that has a list of symbols."""
    symbols = library["symbols"]
    versions = {0: set()}
    # A package may not always have had the library: the oldest symbol is the least that is asked.
    plain = sorted(set(version for version, number in symbols.values() if number == 0))
    for name in wanted["symbols"]:
        entry = symbols.get(name if "@" in name else name + "@Base")
        if entry is not None:
            versions.setdefault(entry[1], set()).add(entry[0])
    nodes = set(name.rsplit("@", 1)[1] for name in symbols if "@" in name)
    has_nodes = nodes - {"Base"}
    dependencies = []
    for number, found in sorted(versions.items()):
        if number < len(library["templates"]):
            dependencies.append(
                {
                    "template": library["templates"][number],
                    "versions": sorted(found),
                    "known": plain if number == 0 else [],
                }
            )
    return {
        "package": package,
        "dependencies": dependencies,
        "lacks": sorted(node for node in wanted["versions"] if has_nodes and node not in nodes),
    }


def name_and_version(soname):
    """What shlibs files call a library: `libpq.so.5` is libpq 5, `libdb-5.3.so` is libdb 5.3."""
    match = re.match(r"^(.*)\.so\.(.*)$", soname) or re.match(r"^(.*)-(\d.*)\.so$", soname)
    return match.groups() if match else None


def by_shlibs(soname, architecture):
    """The answer of the shlibs files."""
    wanted = name_and_version(soname)
    if wanted is None:
        return None
    for package, path in package_files(".shlibs", architecture):
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                words = line.split(None, 2)
                if len(words) == 3 and (words[0], words[1]) == wanted:
                    return answer(package, words[2].strip(), [])
    return None


def answer(package, template, versions):
    """An answer of one dependency."""
    dependency = {"template": template, "versions": versions, "known": []}
    return {"package": package, "dependencies": [dependency], "lacks": []}


def library_files():
    """Where the dynamic linker finds each library."""
    output, _ = run("/sbin/ldconfig", "-p")
    files = {}
    for line in output.splitlines():
        match = re.match(r"^\s+(\S+) \(.*\) => (\S+)$", line)
        if match and match.group(1) not in files:
            files[match.group(1)] = match.group(2)
    return files


def by_file(path):
    """The answer of the package that owns a file, at least as new as it is here."""
    candidates = [path, os.path.realpath(path)]
    # Files may be recorded at the place that a merged /usr has a link for.
    candidates += [p[4:] if p.startswith("/usr/") else "/usr" + p for p in candidates]
    for candidate in candidates:
        output, status = run("dpkg-query", "--search", candidate)
        for line in output.splitlines() if status == 0 else []:
            packages, found, _ = line.partition(": ")
            if not found or line.startswith("diversion"):
                continue
            package = packages.split(",")[0].strip()
            output, status = run("dpkg-query", "--show", "--showformat=${Version}", package)
            if status == 0:
                name = package.partition(":")[0]
                return answer(name, name + " #MINVER#", [output.strip()])
    return None


def ask_dpkg(wanted):
    """The answers for dpkg's packages."""
    architecture = run("dpkg", "--print-architecture")[0].strip()
    answers = {}
    for package, path in package_files(".symbols", architecture):
        for soname, library in read_symbols(path, wanted).items():
            if soname not in answers:
                answers[soname] = by_symbols(package, library, wanted[soname])
    files = None
    for soname in sorted(set(wanted) - set(answers)):
        found = by_shlibs(soname, architecture)
        if found is None:
            files = library_files() if files is None else files
            found = by_file(files[soname]) if soname in files else None
        if found is not None:
            answers[soname] = found
    return answers


def ask_rpm(wanted):
    """The answers for rpm's packages."""
    def provider(capability):
        output, status = run("rpm", "-q", "--whatprovides", "--qf", "%{NAME}\\n", capability)
        return output.split()[0] if status == 0 and output.strip() else None

    answers = {}
    for soname, library in sorted(wanted.items()):
        package = provider(soname + "()(64bit)")
        if package is not None:
            lacks = [
                node
                for node in library["versions"]
                if provider("{}({})(64bit)".format(soname, node)) is None
            ]
            answers[soname] = {"package": package, "dependencies": [], "lacks": lacks}
    return answers


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        question = json.load(file)
    ask = {"dpkg": ask_dpkg, "rpm": ask_rpm}[question["manager"]]
    answers = ask(question["libraries"])
    print(json.dumps({"schema": 1, "libraries": answers}, sort_keys=True))


main()
