"""clang-tidy over every C file of src/, two at a time, and only over what changed since it last found nothing.

What a file's verdict depends on is the file after the preprocessor, the checks, and the tool: their hash names an empty
file in build/tidy once clang-tidy was content. So a second run takes seconds, and editing a header costs the files
that include it.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build" / "clang"
CACHE = TOP / "build" / "tidy"
PARALLEL = 2
# How far the analyzer follows the paths of one function. With its own default, 225,000, src/alloc/pool.c took 9.7
# seconds of a processor, with this 2.6.
PATHS = ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=40000")
# What the sources assert is told to the analyzer, in a build without assertions too.
ASSERTIONS = ("-UNDEBUG",)
SECONDS = 900  # for one file, on a busy machine too


@dataclass(frozen=True)
class Unit:
    """A file and how it is compiled."""

    source: Path
    folder: Path
    command: tuple[str, ...]


def units() -> list[Unit]:
    """The C files of src/, each once: libraries and module may compile one file twice."""
    found: dict[Path, Unit] = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        source = (Path(entry["directory"]) / entry["file"]).resolve()
        if source.suffix == ".c" and source.is_relative_to(TOP / "src"):
            found.setdefault(source, Unit(source, Path(entry["directory"]), tuple(shlex.split(entry["command"]))))
    return [found[source] for source in sorted(found)]


def preprocessed(unit: Unit) -> bytes:
    """The file as the compiler sees it."""
    words = list(unit.command)
    # What asks for a file of dependencies goes with the rest: without "-MD" it is unused, which -Werror refuses.
    for option in ("-o", "-MQ", "-MF"):
        del words[words.index(option) : words.index(option) + 2]
    words = [word for word in words if word not in ("-c", "-MD", "-MMD")]
    done = subprocess.run([*words, "-E"], cwd=unit.folder, capture_output=True, check=True)
    return done.stdout


def mark(unit: Unit, tool: bytes) -> Path:
    """Where it is noted that nothing is wrong with the file as it is now."""
    name = hashlib.sha256(b"\0".join([tool, shlex.join(unit.command).encode(), preprocessed(unit)])).hexdigest()
    return CACHE / name


def examine(unit: Unit, tool: bytes) -> str:
    """What clang-tidy says of the file; nothing where all is well."""
    noted = mark(unit, tool)
    if noted.exists():
        return ""
    words = [
        "clang-tidy",
        "--quiet",
        *(f"--extra-arg={word}" for word in PATHS + ASSERTIONS),
        "-p",
        str(BUILD),
        str(unit.source),
    ]
    start = time.monotonic()
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"{unit.source.relative_to(TOP)}: clang-tidy was not done after {SECONDS} s\n"
    print(f"{time.monotonic() - start:6.1f} s  {unit.source.relative_to(TOP)}", flush=True)
    if done.returncode == 0:
        noted.touch()
        return ""
    return done.stdout + done.stderr


def main() -> int:
    """1 when clang-tidy found something."""
    CACHE.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    tool = version + (TOP / ".clang-tidy").read_bytes() + " ".join(PATHS + ASSERTIONS).encode()
    with ThreadPoolExecutor(PARALLEL) as pool:
        said = list(pool.map(lambda unit: examine(unit, tool), units()))
    sys.stdout.write("".join(said))
    return 1 if any(said) else 0


if __name__ == "__main__":
    sys.exit(main())
