"""Facts about the machine that a reader of the figures needs: processor, memory, kernel, compiler, load, versions."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path


def first_line(command: list[str]) -> str:
    """The first line a command prints; empty when it cannot be run."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return ""
    return (answer.stdout.splitlines() or [""])[0].strip()


def processor() -> str:
    """The processor's name and how many of it this process may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {len(os.sched_getaffinity(0))} usable"


def read_text(path: str) -> str:
    """A small system file's contents, or a dash."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return "-"


def load() -> str:
    """How busy the machine is."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def facts(top: Path) -> dict[str, str]:
    """Everything, in the order that it is printed."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor(),
        "memory": f"{memory / 2**30:.1f} GiB",
        "kernel": platform.release(),
        "huge pages": read_text("/sys/kernel/mm/transparent_hugepage/enabled"),
        "huge pages, defrag": read_text("/sys/kernel/mm/transparent_hugepage/defrag"),
        "libc": " ".join(platform.libc_ver()),
        "compiler": first_line(["cc", "--version"]),
        "kucha": first_line(["git", "-C", str(top), "describe", "--tags", "--always", "--dirty"]),
        "load at start": load(),
    }
