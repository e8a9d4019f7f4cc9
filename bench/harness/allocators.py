"""The allocators that the C programs are run with: which of them this machine has, and what their processes need."""

from __future__ import annotations

import glob
import os
import sysconfig
from dataclasses import dataclass
from pathlib import Path

# Where Debian, other systems and a folder of peers from PyPI keep the libraries; the first that exists is taken.
PEERS = {
    "jemalloc": ("/usr/lib/*/libjemalloc.so.2", "/usr/lib*/libjemalloc.so.2"),
    "tcmalloc": ("/usr/lib/*/libtcmalloc_minimal.so.4", "/usr/lib*/libtcmalloc_minimal.so.4"),
    "mimalloc2": ("/usr/lib/*/libmimalloc.so.2*", "/usr/lib*/libmimalloc.so.2*"),
    "mimalloc3": ("{bench}/cmeel.prefix/lib/libmimalloc.so.3",),
}


HUGE_WISHES = ("always", "never")


@dataclass(frozen=True)
class Allocator:
    """A peer or kucha: which build of the programs it runs, and what is set in the environment."""

    name: str
    build: str
    preload: str = ""
    huge: str = ""  # always or never; nothing is the default, auto

    def environment(self, library: Path) -> dict[str, str]:
        """The environment of a measured process."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("LD_", "PYTHON"))}
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([str(library.parent), str(sysconfig.get_config_var("LIBDIR"))])
        if self.preload:
            environment["LD_PRELOAD"] = self.preload
        if self.huge:
            environment["KUCHA_BENCH_HUGE"] = self.huge
        return environment


def find_allocators(bench_packages: Path, extra: dict[str, str], huge: bool) -> list[Allocator]:
    """glibc, every peer that is installed or named, pymalloc where this interpreter has a shared library, and kucha."""
    found = [Allocator("glibc", "malloc")]
    for name, patterns in PEERS.items():
        paths = [path for pattern in patterns for path in sorted(glob.glob(pattern.format(bench=bench_packages)))]
        if paths:
            found.append(Allocator(name, "malloc", preload=paths[0]))
    found += [Allocator(name, "malloc", preload=path) for name, path in extra.items()]
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        found.append(Allocator("pymalloc", "pymalloc"))
    found.append(Allocator("kucha", "kucha"))
    if huge:
        found += [Allocator(f"kucha-{wish}", "kucha", huge=wish) for wish in HUGE_WISHES]
    return found
