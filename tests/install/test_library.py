"""libkucha as others meet it: installed, found by pkg-config and by CMake, linked both ways, used from C and C++."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import TOP, Prefix, run

CLIENT = TOP / "examples" / "c_client.c"
TEXT = TOP / "LICENSE"
WARNINGS = ["-std=c17", "-Wall", "-Wextra", "-Werror"]


def run_client(program: Path, prefix: Prefix, folder: Path) -> str:
    """Runs the example; its output, after looking at what it must have made."""
    picture = folder / "map.svg"
    done = run([str(program), str(TEXT), str(picture)], environment=prefix.environment, folder=folder)
    assert picture.read_text().rstrip().endswith("</svg>")
    return done.stdout


def check_output(text: str) -> None:
    """The example says what it must: words counted, statistics of both heaps, the limit named."""
    words = sum(len("".join(c if c.isalpha() else " " for c in line).split()) for line in TEXT.open())
    assert f"{words} words, " in text
    assert "heap words: " in text
    assert "heap entries: " in text
    assert "then KU_LIMIT" in text


def test_example_built_with_pkg_config_alone_runs(prefix: Prefix, tmp_path: Path) -> None:
    """The shared library."""
    program = tmp_path / "c_client"
    run(["cc", *WARNINGS, str(CLIENT), *prefix.pkg_config("--cflags", "--libs"), "-o", str(program)])
    check_output(run_client(program, prefix, tmp_path))
    assert "libkucha.so.0" in run(["ldd", str(program)], environment=prefix.environment).stdout


def test_example_linked_statically_runs_without_the_shared_library(prefix: Prefix, tmp_path: Path) -> None:
    """The static library, with what pkg-config says that it needs."""
    program = tmp_path / "c_client"
    libraries = prefix.pkg_config("--cflags", "--libs", "--static")
    archive = [str(prefix.libraries / "libkucha.a") if word == "-lkucha" else word for word in libraries]
    run(["cc", *WARNINGS, str(CLIENT), *archive, "-o", str(program)])
    check_output(run_client(program, prefix, tmp_path))
    assert "libkucha" not in run(["ldd", str(program)]).stdout


@pytest.mark.parametrize("target", ["kucha::kucha", "kucha::kucha_static"])
def test_example_built_with_cmake_runs(prefix: Prefix, tmp_path: Path, target: str) -> None:
    """find_package(kucha) and its two targets."""
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(client C)\n"
        "find_package(kucha REQUIRED)\n"
        f'add_executable(c_client "{CLIENT}")\ntarget_link_libraries(c_client {target})\n'
    )
    run(["cmake", "-S", ".", "-B", "out", f"-DCMAKE_PREFIX_PATH={prefix.path}"], folder=tmp_path)
    run(["cmake", "--build", "out"], folder=tmp_path)
    check_output(run_client(tmp_path / "out" / "c_client", prefix, tmp_path))


def test_shared_library_exports_public_names_only(prefix: Prefix) -> None:
    """Nothing but ku_*: internal names are ku__*, and all others stay inside."""
    listed = run(["nm", "--dynamic", "--defined-only", "--format=posix", str(prefix.libraries / "libkucha.so")]).stdout
    names = [line.split()[0] for line in listed.splitlines()]
    assert "ku_heap_new" in names
    assert [name for name in names if not name.startswith("ku_") or name.startswith("ku__")] == []


def test_shared_library_needs_libc_only(prefix: Prefix) -> None:
    """libc, with its threads and mathematics where those are files of their own, and the loader."""
    listed = run(["readelf", "--dynamic", "--wide", str(prefix.libraries / "libkucha.so")]).stdout
    needed = {line.split("[")[1].split("]")[0].split(".so")[0] for line in listed.splitlines() if "(NEEDED)" in line}
    assert needed <= {"libc", "libm", "libpthread", "ld-linux-x86-64", "ld-linux-aarch64"}
    assert "[libkucha.so.0]" in listed


def test_every_public_header_stands_alone_in_c_and_in_cpp(prefix: Prefix, tmp_path: Path) -> None:
    """Each header compiles as the only one, in both languages, without Python's headers."""
    headers = sorted((prefix.path / "include" / "kucha").glob("*.h"))
    assert {"kucha.h", "heap.h", "stats.h", "error.h", "version.h"} <= {header.name for header in headers}
    for header in headers:
        source = tmp_path / "one.c"
        source.write_text(f"#include <kucha/{header.name}>\nint main(void) {{ return 0; }}\n")
        for language in (["-xc", "-std=c17"], ["-xc++", "-std=c++17"]):
            run(
                [
                    "cc",
                    *language,
                    "-Wall",
                    "-Wextra",
                    "-Werror",
                    "-fsyntax-only",
                    *prefix.pkg_config("--cflags"),
                    str(source),
                ]
            )
