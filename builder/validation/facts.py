"""What the standard suite asks a machine, and how it reads the answers. Pure: text in, findings out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from builder.lock.model import Lock
from builder.store.shapes import Shape

# -- packages -----------------------------------------------------------------------------------------------------

QUERY_PACKAGES = ("rpm", "-qa", "--qf", "%{NAME}-%|EPOCH?{%{EPOCH}}:{0}|:%{VERSION}-%{RELEASE}.%{ARCH}\\n")
"""Lists what is installed as the lock spells it; every rpm since 4.4 (Enterprise Linux 5) reads it."""
VERIFY_PACKAGES = ("rpm", "-Va", "--nomtime")
"""Compares every packaged file with the rpm database. Times are left out: canonical form clamps them."""
WITHOUT_OWNERS = ("--nouser", "--nogroup")
PRINT_USERS = ("cat", "/proc/self/uid_map")
"""Tells which users of the host the machine's users are; source: user_namespaces(7)."""
ALL_USERS = ["0", "0", "4294967295"]
KEYS = "gpg-pubkey-"
SITE = re.compile(r"/etc/.+|/(dev|proc|sys|run)(/.*)?")
"""What a site configures, and what a booted machine lays over the image's own."""
VERIFY_LINE = re.compile(r"(?P<flags>missing|[SM5DLUGTPC.?]{8,})\s+(?:(?P<kind>[cdglrn])\s+)?(?P<path>/.*)")
"""Source: rpm(8), "Verify options": nine flags (eight in rpm 4.4), a letter for the kind of file, the path."""
CONFIGURATION, GHOST = "c", "g"


def expected_packages(lock: Lock, shape: Shape) -> frozenset[str]:
    """What the lock says is installed in an image of a shape: a virtual machine has packages of its own."""
    own = lock.vm_packages if shape == "vm" else ()
    return frozenset((*lock.os_packages, *lock.boss_packages, *own))


def installed_packages(listing: str) -> list[str]:
    """Read QUERY_PACKAGES; the public keys that rpm keeps among the packages are left out."""
    return [line for line in listing.splitlines() if line and not line.startswith(KEYS)]


def package_differences(expected: Iterable[str], installed: Iterable[str]) -> tuple[str, ...]:
    """Name each package that is missing, not in the lock, or there twice."""
    wanted, found = set(expected), list(installed)
    return (
        *(f"missing: {name}" for name in sorted(wanted - set(found))),
        *(f"not in the lock: {name}" for name in sorted(set(found) - wanted)),
        *(f"installed twice: {name}" for name in sorted({name for name in found if found.count(name) > 1})),
    )


def verify_packages(users: str) -> tuple[str, ...]:
    """Give the command that compares packaged files with the rpm database, from what PRINT_USERS told.

    In a user namespace (Apptainer, rootless engines) every file of an image belongs to the one who started it: who
    owns it in the image is not to be seen there, and is not compared. An empty text is a kernel without namespaces.
    """
    own = users.split()
    return VERIFY_PACKAGES if own in ([], ALL_USERS) else (*VERIFY_PACKAGES, *WITHOUT_OWNERS)


def changed_files(report: str) -> tuple[str, ...]:
    """Read VERIFY_PACKAGES: every line but those on what a site may change.

    That is: all below /etc (puppet's business, and systemctl's, which takes emptied folders away), configuration
    files elsewhere, and ghosts. Programs, libraries and data are as their packages brought them.
    """
    return tuple(line for line in report.splitlines() if line.strip() and not _excused(line))


def _excused(line: str) -> bool:
    found = VERIFY_LINE.fullmatch(line.strip())
    if found is None:
        return False
    return found["kind"] in (CONFIGURATION, GHOST) or SITE.fullmatch(found["path"]) is not None


# -- shared libraries ---------------------------------------------------------------------------------------------

LIBRARY_FOLDERS = (
    *("/bin", "/sbin", "/lib", "/lib64", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64"),
    *("/usr/libexec", "/usr/local", "/opt"),
)


def library_folders(lock: Lock) -> tuple[str, ...]:
    """Where programs and libraries lie: the usual folders, and what the recipe installs elsewhere."""
    elsewhere = (f for f in promised_folders(lock) if not f.startswith(tuple(f"{usual}/" for usual in LIBRARY_FOLDERS)))
    return (*LIBRARY_FOLDERS, *dict.fromkeys(elsewhere))


LIST_LIBRARIES = r"""
LC_ALL=C; export LC_ALL
magic=$(printf '\177ELF')
for folder do
    shift
    if [ -d "$folder" ] && [ ! -L "$folder" ]; then set -- "$@" "$folder"; fi
done
find "$@" -xdev \( -type f -o -type l \) \( -name '*.so' -o -name '*.so.*' \) | sed 's/^/+ /'
scratch=/tmp/libraries.$$
mkdir -m 700 "$scratch" || exit 1
find "$@" -xdev -type f \( -perm -100 -o -name '*.so' -o -name '*.so.*' \) -exec grep -l "^$magic" {} + \
    > "$scratch/files"
ask() {
    number=0
    while read -r file; do
        number=$((number + 1))
        [ $((number % $2)) = "$1" ] || continue
        for loader in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux.so.2; do
            [ -x "$loader" ] || continue
            "$loader" --verify "$file" > /dev/null 2>&1
            case $? in 0 | 2) ;; *) continue ;; esac
            echo "= $file"
            "$loader" --list "$file" 2>&1
        done
    done < "$scratch/files" > "$scratch/$1"
}
workers=$(getconf _NPROCESSORS_ONLN 2> /dev/null) || workers=1
worker=0
while [ "$worker" -lt "$workers" ]; do
    ask "$worker" "$workers" &
    worker=$((worker + 1))
done
wait
cat "$scratch"/[0-9]*
rm -r "$scratch"
echo done
"""
"""Asks the image's own loaders, as ldd does, but once for all files, with all processors.

Gives `+ PATH` for each library, `= PATH` for each file that a loader takes, and below that what the loader says.
What no loader takes (relocatable files, static programs, other processors' files) is none of its business.
"""
OS_PLUGIN = re.compile(r"(/usr)?/(lib|lib64|libexec)/(x86_64-linux-gnu/|i386-linux-gnu/)?[^/]+/.+")
"""A file in a folder of its own below a library folder (which Debian names for the architecture)."""
COMPLAINTS = ("not found", "error while loading")
"""What stands in every line by which a loader complains."""
MISSING = (
    re.compile(r"\s*(?P<what>\S+) => not found"),
    re.compile(r".*error while loading shared libraries: (?P<what>[^:]+): cannot open.*"),
)
"""How loaders say that a library is missing: in a trace, and (glibc 2.36 and later) as an error."""


def unresolved(report: str) -> tuple[str, ...]:
    """Read LIST_LIBRARIES: name each file that does not find a library, or a version of one.

    A program may miss nothing, nor may what it links to, since a loader is asked for both at once. A library may miss
    another that lies elsewhere in the image: private libraries find their like through the program that loads them.
    A plugin of the operating system (in a folder below its library folders) may miss a library altogether: its
    package leaves that optional, as tc's q_atm.so does with libatm, and rpm has checked what the package requires.
    """
    lines = report.splitlines()
    known = {line.rpartition("/")[2] for line in lines if line.startswith("+ ")}
    findings, file = [], ""
    for line in lines:
        if line.startswith("= "):
            file = line[2:]
        elif file and any(complaint in line for complaint in COMPLAINTS):
            what = _missing(line)
            if what is None:
                findings.append(f"{file}: {line.strip()}")
            elif not _may_miss(file, what, known):
                findings.append(f"{file}: misses {what}")
    return tuple(sorted(findings))


def _may_miss(file: str, what: str, known: set[str]) -> bool:
    name = file.rpartition("/")[2]
    if not (name.endswith(".so") or ".so." in name):
        return False
    return what in known or OS_PLUGIN.fullmatch(file) is not None


def resolved_count(report: str) -> int:
    """How many files a loader was asked about."""
    return sum(line.startswith("= ") for line in report.splitlines())


def is_complete(report: str) -> bool:
    """Whether LIST_LIBRARIES came to its end."""
    return report.endswith("done\n")


def _missing(line: str) -> str | None:
    found = next(filter(None, (pattern.fullmatch(line) for pattern in MISSING)), None)
    return found["what"] if found else None


# -- environment --------------------------------------------------------------------------------------------------

PRINT_VARIABLES = r"""
for name do eval "[ -n \"\${$name+set}\" ] && printf '%s=%s\\0' \"\$name\" \"\$$name\""; done; :
"""
"""Prints the variables that are set among those named, each ended by a zero byte."""


def promised_environment(lock: Lock) -> dict[str, str]:
    """What the recipe promises: each library's variables in their order, then the package's own."""
    merged: dict[str, str] = {}
    for library in lock.recipe.external_library:
        merged |= library.environment
    return merged | lock.recipe.package.environment


def broken_promises(promised: Mapping[str, str], printed: str) -> tuple[str, ...]:
    """Read PRINT_VARIABLES: name each variable that is not as promised.

    Of a search path (its name ends with PATH) every folder must be there; a shell may add its own.
    """
    entries = (entry.partition("=") for entry in printed.split("\0") if entry)
    found = {name: value for name, _, value in entries}
    findings = []
    for name, value in promised.items():
        if name not in found:
            findings.append(f"{name} is not set, promised: {value}")
        elif name.endswith("PATH"):
            lost = [part for part in value.split(":") if part not in found[name].split(":")]
            findings += [f"{name} lacks {part}: {found[name]}" for part in lost]
        elif found[name] != value:
            findings.append(f"{name} is {found[name]!r}, promised: {value!r}")
    return tuple(findings)


# -- places and network -------------------------------------------------------------------------------------------


def promised_folders(lock: Lock) -> tuple[str, ...]:
    """Where the recipe says that something lies."""
    recipe = lock.recipe
    folders = [library.place for library in recipe.external_library]
    return tuple(folders + ([recipe.package.place] if recipe.package.place else []))


def promised_documents(lock: Lock) -> tuple[str, ...]:
    """Paths of the documents in the image."""
    sources = (source.source for place, source in lock.sources.items() if place.startswith("document."))
    return tuple(f"/usr/share/doc/{lock.recipe.full_name}/{source.rpartition('/')[2]}" for source in sources)


LIST_INTERFACES = r"""
sed -n 's/^ *\([^ :]*\):.*/\1/p' /proc/net/dev | while read -r name; do
    read -r flags < "/sys/class/net/$name/flags" || flags=unknown
    echo "$name $flags"
done
"""
"""Names each interface, and its flags. /proc/net is of the network namespace; /sys may show the host's."""
UP = 1
"""IFF_UP of netdevice(7)."""


def live_interfaces(listing: str) -> tuple[str, ...]:
    """Read LIST_INTERFACES: the interfaces that are up, without `lo`.

    A kernel may put its fallback tunnels (tunl0, sit0, ...) into every network namespace; they are down.
    """
    pairs = (line.split() for line in listing.splitlines())
    return tuple(name for name, flags in pairs if name != "lo" and (flags == "unknown" or int(flags, 16) & UP))
