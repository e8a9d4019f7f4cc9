"""The interpreters that kucha is built for and tested on, and how to run a command under each.

Three kinds are found: the host's own (``PYTHON``, or ``python3``); those of pyenv; and Debian's packages of newer
releases in chroots that ``setup`` makes with debootstrap, from the mirror that this machine's apt is configured for.
The chroots lie in ``.interpreters`` (or where ``KUCHA_INTERPRETERS`` points), so several trees can share them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]

# Debian suites and the minor versions that each must have. 3.11 is that of the oldest supported Debian, the host's.
CHROOTS = {"trixie": ("3.13",), "sid": ("3.14", "3.15")}
# Of pyenv's interpreters, the versions that no supported Debian suite brings or brings in another micro.
PYENV_MINORS = ("3.12", "3.13")

PACKAGES = (
    *("gcc", "libc6-dev", "meson", "ninja-build", "libxxhash-dev", "netbase", "media-types", "tzdata"),
    *("libelf-dev", "pkgconf"),  # reading core files; Meson asks pkg-config for the library
)
PACKAGES_PER_MINOR = ("python{}", "python{}-dev", "libpython{}-testsuite")


class Unavailable(Exception):
    """What was asked for cannot be had on this machine; the text says why and what to do."""


@dataclass(frozen=True)
class Interpreter:
    """A usable interpreter: a name for reports and folders, its version, its path, and the chroot that it lies in."""

    name: str
    version: str
    python: str
    root: Path | None = None

    @property
    def minor(self) -> str:
        """The release it belongs to, such as 3.13."""
        return ".".join(self.version.split(".")[:2])

    @property
    def number(self) -> tuple[int, ...]:
        """The version, for comparing."""
        return tuple(int(part) for part in self.version.split(".")[:2])

    def command(self, arguments: list[str]) -> list[str]:
        """The command line that runs ``arguments`` (a command and its arguments) where this interpreter lies."""
        if self.root is None:
            return arguments
        return [str(TOP / "scripts" / "inside"), str(self.root), *arguments]

    def build_folder(self, variant: str) -> Path:
        """Where scripts/build puts the variant for this interpreter."""
        return TOP / "build" / (variant if self.name == "host" else f"{variant}-{self.name}")

    def build_command(self, variant: str) -> list[str]:
        """The command line that builds the variant for this interpreter."""
        name = [] if self.name == "host" else [self.name, self.python]
        return self.command(["scripts/build", variant, *name])


def version_of(command: list[str]) -> str | None:
    """The version of the interpreter that the command runs, None where it does not run."""
    try:
        program = "import platform; print(platform.python_version())"
        answer = subprocess.run([*command, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def folder_of_chroots() -> Path:
    """The folder that holds the chroots."""
    return Path(os.environ.get("KUCHA_INTERPRETERS", TOP / ".interpreters"))


def find_host() -> list[Interpreter]:
    """The interpreter that everything is built for by default."""
    python = shutil.which(os.environ.get("PYTHON", "python3"))
    version = version_of([python]) if python else None
    return [Interpreter("host", version, python)] if python and version else []


def micro_of(python: Path) -> int:
    """The micro version in pyenv's folder name; those that are no plain number (3.13.0t) come first."""
    micro = python.parts[-3].rpartition(".")[2]
    return int(micro) if micro.isdecimal() else -1


def find_pyenv() -> list[Interpreter]:
    """Pyenv's interpreters, the newest micro of each minor version in PYENV_MINORS."""
    folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = []
    for minor in PYENV_MINORS:
        try:
            pythons = sorted(folder.glob(f"{minor}.*/bin/python{minor}"), key=micro_of)
        except OSError:  # another user's folder
            pythons = []
        for python in pythons[-1:]:
            version = version_of([str(python)])
            if version:
                found.append(Interpreter(f"pyenv-{minor}", version, str(python)))
    return found


def find_chroots() -> list[Interpreter]:
    """The interpreters in chroots; none for a user who cannot enter them."""
    if os.geteuid() != 0:
        return []
    found = []
    for suite, minors in CHROOTS.items():
        root = folder_of_chroots() / suite
        for minor in minors:
            python = f"/usr/bin/python{minor}"
            version = version_of(["chroot", str(root), python]) if (root / python[1:]).exists() else None
            if version:
                found.append(Interpreter(f"{suite}-{minor}", version, python, root))
    return found


def find_all() -> list[Interpreter]:
    """Every usable interpreter, the host's first."""
    return find_host() + find_chroots() + find_pyenv()


def debian_mirror() -> str:
    """The mirror of Debian's main archive that this machine's apt uses."""
    wanted = ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"]
    try:
        answer = subprocess.run(wanted, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(
            "apt's configuration could not be read, so there is no mirror to make chroots from"
        ) from error
    for line in answer.splitlines():
        origin, label, uri = line.split("|")
        if (origin, label) == ("Debian", "Debian"):  # not debian-security, not a derivative
            return uri
    raise Unavailable("apt is not configured for a mirror of Debian, so there is nothing to make chroots from")


def packages_for(minors: tuple[str, ...]) -> list[str]:
    """What a chroot with these releases of Python needs."""
    return [*PACKAGES, *(form.format(minor) for minor in minors for form in PACKAGES_PER_MINOR)]


def missing_packages(root: Path, minors: tuple[str, ...]) -> list[str]:
    """Packages that a chroot lacks, which an older version of this file made."""
    known = (
        root / "var" / "lib" / "dpkg" / "info"
    )  # a list of files for each package, NAME.list or NAME:ARCHITECTURE.list
    return [
        name
        for name in packages_for(minors)
        if not (known / f"{name}.list").exists() and not any(known.glob(f"{name}:*.list"))
    ]


def complete_chroot(suite: str, missing: list[str]) -> None:
    """Adds packages to a chroot that is in place; tests that need them are skipped where that does not go."""
    place = folder_of_chroots() / suite
    print(f"interpreters: adding {', '.join(missing)} to {place}", flush=True)
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing]
    log = place.with_name(f"{suite}.log")
    with log.open("w") as stream:
        for command in (install, ["apt-get", "update", "-qq"], install):  # its lists may be old
            inside = ["chroot", str(place), "env", "DEBIAN_FRONTEND=noninteractive", *command]
            done = subprocess.run(inside, stdout=stream, stderr=subprocess.STDOUT, check=False)
            if command is install and done.returncode == 0:
                return
    raise Unavailable(f"{suite} goes without {', '.join(missing)}: {last_line(log)} (all of it in {log})")


def make_chroot(suite: str, minors: tuple[str, ...]) -> None:
    """Makes one chroot with debootstrap, beside its place first, so that what is in place is always whole."""
    place = folder_of_chroots() / suite
    if place.exists():
        missing = missing_packages(place, minors)
        if missing:
            complete_chroot(suite, missing)
        return
    unfinished = place.with_name(f".{suite}.{os.getpid()}")
    packages = packages_for(minors)
    command = ["debootstrap", "--variant=minbase", "--include=" + ",".join(packages), suite, str(unfinished)]
    # A Debian older than the suite has no debootstrap script of that name; every modern suite uses sid's.
    scripts = Path("/usr/share/debootstrap/scripts")
    script = [] if (scripts / suite).exists() else [str(scripts / "sid")]
    place.parent.mkdir(parents=True, exist_ok=True)
    print(f"interpreters: making {place} ({', '.join(minors)})", flush=True)
    log = place.with_name(f"{suite}.log")
    with log.open("w") as stream:
        done = subprocess.run(
            [*command, debian_mirror(), *script], stdout=stream, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise Unavailable(f"debootstrap could not make {suite}: {last_line(log)} (all of it in {log})")
    shutil.rmtree(unfinished / "var" / "cache" / "apt", ignore_errors=True)
    unfinished.rename(place)


def last_line(path: Path) -> str:
    """The last line of a log that says something."""
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def setup() -> int:
    """Makes the chroots that are missing, or lack packages; a machine that cannot have them goes on without them."""
    places = {suite: folder_of_chroots() / suite for suite in CHROOTS}
    absent = {
        suite: minors
        for suite, minors in CHROOTS.items()
        if not places[suite].exists() or missing_packages(places[suite], minors)
    }
    if not absent:
        return 0
    names = ", ".join(minor for minors in absent.values() for minor in minors)
    if os.geteuid() != 0:
        print(f"interpreters: only root can make chroots; going on without {names}", file=sys.stderr)
        return 0
    with ThreadPoolExecutor(len(absent)) as pool:  # each is a process of debootstrap's
        made = list(pool.map(lambda suite: make_or_complain(suite, absent[suite]), absent))
    return 0 if all(made) else 1


def make_or_complain(suite: str, minors: tuple[str, ...]) -> bool:
    """Makes one chroot; says so and is False where that does not go."""
    try:
        make_chroot(suite, minors)
    except (Unavailable, OSError) as error:
        print(f"interpreters: {error}", file=sys.stderr)
        return False
    return True


def show() -> int:
    """Prints the usable interpreters as a table."""
    for item in find_all():
        print(f"{item.name:14} {item.version:10} {item.root or '-'!s:30} {item.python}")
    return 0


def named(name: str) -> Interpreter:
    """The usable interpreter of that name."""
    for item in find_all():
        if item.name == name:
            return item
    raise Unavailable(f"no interpreter '{name}'; `scripts/interpreters list` shows those that can be used")


def run(name: str, arguments: list[str]) -> int:
    """Runs a command where the interpreter lies; ``{python}`` and ``{site}`` in it are replaced."""
    item = named(name)
    site = item.build_folder("release") / "site"
    filled = [text.replace("{python}", item.python).replace("{site}", str(site)) for text in arguments]
    return subprocess.run(item.command(filled), cwd=TOP, check=False).returncode


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="interpreters", description=__doc__.split("\n\n")[0] if __doc__ else None)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("setup", help="make the chroots that are missing")
    verbs.add_parser("list", help="name, version, chroot and path of each usable interpreter")
    build = verbs.add_parser("build", help="build kucha for an interpreter, into build/VARIANT-NAME")
    build.add_argument("name")
    build.add_argument("variant", nargs="?", default="release")
    runner = verbs.add_parser("run", help="run a command where an interpreter lies; {python} and {site} are replaced")
    runner.add_argument("name")
    runner.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.verb == "setup":
            return setup()
        if chosen.verb == "list":
            return show()
        if chosen.verb == "build":
            command = named(chosen.name).build_command(chosen.variant)
            return subprocess.run(command, cwd=TOP, check=False).returncode
        return run(chosen.name, [text for text in chosen.command if text != "--"])
    except Unavailable as error:
        print(f"interpreters: {error}", file=sys.stderr)
        return 1
