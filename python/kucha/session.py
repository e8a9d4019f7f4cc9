"""One traced run: what is started before the program, and what is said after it.

A session is the same whether ``kucha run`` made it or the environment variable (kucha/_boot.py). It puts the
allocator in place, starts tracing into a capture, hands itself down to child processes when asked, and at exit, after
the program's own atexit functions, prints the summary and closes the capture. Anything that fails here is one
sentence on standard error: the program runs either way, unless what failed was asked for by name (``--swap``,
``--no-trace``, ``--mode objects``).
"""

from __future__ import annotations

import atexit
import os
import sys
from time import perf_counter

from kucha import _environment
from kucha.commands import RUN
from kucha.heap_triggers import Triggers, When
from kucha.options import UsageError
from kucha.text import current_folder, one_line, short_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from kucha.gc import Pauses
    from kucha.lines import Lines
    from kucha.producers import Producers

NO_MATPLOTLIB = "a PNG needs matplotlib (pip install kucha[plot]); a name that ends in .svg needs nothing"
AFTER_ALL_OTHERS = -(1 << 30)  # of multiprocessing's finalisers, which run from the highest priority down


class Wishes:
    """The options of ``kucha run``, typed."""

    __slots__ = (
        "allocator_only",
        "append_pid",
        "cycles",
        "drop_in",
        "follow_fork",
        "follow_subprocesses",
        "force",
        "frames",
        "gc",
        "gc_threads",
        "gil",
        "heap_dump",
        "heap_only",
        "lines",
        "lines_of",
        "map",
        "map_by",
        "mode",
        "output",
        "quiet",
        "resident",
        "sample",
        "stats",
        "swap",
        "timeline",
        "top",
        "tracemalloc",
        "when",
    )

    def __init__(self, values: dict[str, Any]) -> None:
        self.output: str | None = values["output"]
        self.force: bool = values["force"]
        self.quiet: bool = values["quiet"]
        self.frames: int = values["frames"]
        self.gc: Literal["stock", "kucha", "concurrent"] = values["gc"]
        self.gc_threads: int = values["gc_threads"]
        self.sample: int = values["sample"]
        self.mode: Literal["blocks", "objects"] = values["mode"]
        self.allocator_only: bool = values["allocator_only"]
        self.heap_dump: str | None = values["heap_dump"]
        self.when: When = values["heap_at"] or When()
        self.heap_only = False  # a heap file is all that is wanted: birthplaces are traced, without a capture
        if self.heap_dump is not None and values["heap_at"] is None:
            self.when.exit = True
        self.swap: bool = values["swap"] or self.allocator_only or self.when.kinds > 0
        self.follow_fork: bool = values["follow_fork"]
        self.follow_subprocesses: bool = values["follow_subprocesses"]
        self.append_pid: bool = values["append_pid"]
        self.drop_in: bool = values["drop_in"]
        self.map: str | None = values["map"]
        self.map_by = "class"  # else what lives is needed to draw it: a heap file
        self.stats: bool = values["stats"]
        self.timeline: str | None = values["timeline"]
        self.gil: bool = values["gil"]
        self.cycles: str | None = values["cycles"]
        self.lines: str | None = values["lines"]
        self.lines_of: str = values["lines_of"]
        self.resident: Literal["moved", "every", "off"] = values["resident"]
        self.top: int = values["top"]
        self.tracemalloc: bool = values["tracemalloc"]
        if self.allocator_only and (self.output or self.sample or self.mode == "objects"):
            raise UsageError("--no-trace leaves out what --output, --sample and --mode are about; drop one of them")
        if self.allocator_only and self.timeline is not None:
            raise UsageError("--timeline draws what a capture holds, which --no-trace leaves out; drop one of them")
        if not self.lines_of.replace(",", " ").strip():
            raise UsageError("--lines-of names no code; say own, all, a module or a file")
        if self.gc_threads and self.gc == "stock":
            raise UsageError("--gc-threads says how kucha's collector is to mark; add --gc=kucha")
        if self.lines is None and (self.lines_of != "own" or self.resident != "moved"):
            raise UsageError("--lines-of and --resident say how --lines is to look; add it")

    def words_for_children(self, output: str) -> list[str]:
        """Options that make a child process trace itself as this one is traced, into OUTPUT.PID, without a word."""
        words = ["run", "--quiet", "--append-pid", "--follow-subprocesses", "--output", output]
        words += ["--frames", str(self.frames), "--mode", self.mode]
        words += ["--sample", str(self.sample)] if self.sample else []
        words += ["--gc", self.gc] if self.gc != "stock" else []
        words += ["--gc-threads", str(self.gc_threads)] if self.gc_threads else []
        words += ["--follow-fork"] if self.follow_fork else []
        words += ["--drop-in"] if self.drop_in else []
        words += ["--tracemalloc"] if self.tracemalloc else []
        return words


def say(message: str) -> None:
    """One sentence of ours on standard error, which may be closed."""
    try:
        sys.stderr.write(f"kucha: {one_line(message)}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass


def check_output(path: str, force: bool) -> None:
    """Refuses a file that exists (without ``force``), and a folder that cannot be written."""
    folder = os.path.dirname(path) or "."
    if not os.path.basename(path):
        raise UsageError(f"can't write '{path}': that is not the name of a file")
    if os.path.lexists(path):
        if not force:
            if os.path.isdir(path):
                raise UsageError(f"can't write '{path}': it is a directory; name a file in it")
            raise UsageError(f"'{path}' exists already; choose another name, or replace it with --force")
        if not os.path.isfile(path):
            raise UsageError(f"'{path}' is not a regular file and is left alone; choose another name")
    if not os.path.isdir(folder):
        raise UsageError(f"can't write '{path}': there is no directory '{folder}'")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"can't write '{path}': no permission to write in '{folder}'")


def check_plot(path: str) -> None:
    """Refuses a picture over time that could not be drawn in the end."""
    if not path.endswith((".svg", ".png")):
        raise UsageError(f"a time line is drawn to a name that ends in .svg or .png, not '{path}'")
    if path.endswith(".png"):
        from importlib.util import find_spec

        if find_spec("matplotlib") is None:
            raise UsageError(NO_MATPLOTLIB)


def _original_traces() -> bool:
    import _tracemalloc

    return bool(_tracemalloc.is_tracing())


class Session:
    """A run with kucha. ``plan`` checks everything that can be checked beforehand and writes nothing."""

    def __init__(self, wishes: Wishes, name: str, command: list[str]) -> None:
        self.wishes = wishes
        self.name = name
        self.command = command
        self.process = os.getpid()
        self.folder = current_folder()
        self.capture: str | None = None
        self.installed = False
        self.refusal: str | None = None
        self.version = ""
        self.started = 0.0
        self.pauses: Pauses | None = None
        self.lines: Lines | None = None
        self.drawing: bytes | None = None
        self.producers: Producers | None = None

    def plan(self) -> None:
        """Settles the names of the files to be written. Raises UsageError."""
        wishes = self.wishes
        if wishes.when.kinds:
            wishes.heap_dump = self._settle(wishes.heap_dump or f"kucha-{self.name}.{self.process}.heap")
        self.triggers = Triggers(wishes.when, wishes.heap_dump, " ".join(self.command), say, wishes.quiet)
        self.triggers.plan()
        if not (wishes.allocator_only or wishes.heap_only):
            output = f"kucha-{self.name}.{self.process}.kucha" if wishes.output is None else wishes.output
            if wishes.append_pid:
                output = f"{output}.{self.process}"
            self.capture = self._settle(output)
        if wishes.map is not None:
            wishes.map = self._settle(wishes.map)
        if wishes.timeline is not None and self.capture is not None:
            wishes.timeline = self._settle(wishes.timeline or self.capture.removesuffix(".kucha") + ".svg")
            check_plot(wishes.timeline)
        if wishes.cycles:
            wishes.cycles = self._settle(wishes.cycles)
        if wishes.lines:
            wishes.lines = self._settle(wishes.lines)

    def _settle(self, output: str) -> str:
        """The absolute path of a file that may be written, so that the program may change its directory."""
        if not self.folder and not os.path.isabs(output):
            raise UsageError(f"can't write '{output}': the current directory has been removed; give an absolute path")
        check_output(output, self.wishes.force)
        return os.path.join(self.folder, output)

    def start(self) -> None:
        """Swaps the allocator. Raises UsageError where that fails and was asked for by name."""
        from kucha import _core, summary  # summary now, so that importing it at the end is not traced

        self.core = _core
        self.summary = summary
        self.version = _core.version
        self.started = perf_counter()
        if self.wishes.drop_in and _original_traces():
            self.wishes.tracemalloc = True  # the program was told to trace, by PYTHONTRACEMALLOC or -X tracemalloc
        older = self._end_original() if self.wishes.tracemalloc else 0
        try:
            _core.install()
            self.installed = True
        except _core.Refused as refusal:
            if older:
                self.tracemalloc.begin_original(older)
            self._go_on_without(str(refusal), insisted=self.wishes.swap or self.wishes.gc != "stock")
        if self.installed and self.wishes.gc != "stock":
            self._install_collector()
        if self.wishes.lines is not None:
            self._prepare_lines()
        if self.wishes.cycles is not None:
            self._prepare_cycles()
        if self.wishes.drop_in:
            from kucha import dropin

            dropin.install()
        if self.wishes.follow_subprocesses and self.capture is not None:
            self._prepare_children()

    def _prepare_lines(self) -> None:
        from kucha.lines import Lines  # now, so that importing it is not traced

        try:
            self.lines = Lines(self.wishes.lines_of, self.wishes.resident)
        except self.core.Refused as refusal:
            say(f"{str(refusal).rstrip('.')}; the program runs without --lines")

    def _prepare_cycles(self) -> None:
        import gc

        from kucha.producers import Producers  # now, so that importing it is not traced

        self.collect = gc.collect
        self.producers = Producers(everywhere=True)

    def _watch_cycles(self, producers: Producers) -> None:
        try:
            producers.start()
        except self.core.Refused as refusal:
            self.producers = None
            say(f"{str(refusal).rstrip('.')}; the program runs without --cycles")

    def _install_collector(self) -> None:
        from kucha import gc

        self.collector = gc
        try:
            gc.install(concurrent=self.wishes.gc == "concurrent", threads=self.wishes.gc_threads)
        except self.core.Refused as refusal:
            raise UsageError(str(refusal)) from None

    def trace(self) -> None:
        """Starts tracing: the last thing before the program, so that little of ours is traced. Raises UsageError."""
        wishes, capture = self.wishes, self.capture
        atexit.register(self.finish)
        if self.installed:
            self.triggers.start()
        if self.producers is not None:
            self._watch_cycles(self.producers)
        if capture is not None:
            self._start_capture(capture)
        elif wishes.heap_only:
            self.core.trace_start(frames=wishes.frames)
        if wishes.gil:
            self._watch_gil()
        if wishes.tracemalloc and self.installed:
            self.tracemalloc.start(wishes.frames)
            self.tracemalloc.install()
        if self.lines is not None:
            self._record_lines(self.lines)

    def _record_lines(self, lines: Lines) -> None:
        try:
            lines.start()
        except RuntimeError as error:
            self.lines = None
            say(f"{str(error).rstrip('.')}; the program runs without --lines")

    def _watch_gil(self) -> None:
        from kucha import gil

        try:
            gil.start()
        except self.core.Refused as refusal:
            say(f"{str(refusal).rstrip('.')}; the program runs without --gil")

    def _end_original(self) -> int:
        """The interpreter's own tracing ends where kucha's is to take its place. Returns the frames that it kept."""
        from kucha import tracemalloc  # now, so that importing it is not traced

        self.tracemalloc = tracemalloc
        older = tracemalloc.end_original()
        self.wishes.frames = min(max(self.wishes.frames, older), tracemalloc.FRAMES_MAX)
        return older

    def _start_capture(self, capture: str) -> None:
        wishes, _core = self.wishes, self.core
        if wishes.force and os.path.lexists(capture):
            os.unlink(capture)
        try:
            _core.trace_start(
                frames=wishes.frames,
                mode=wishes.mode,
                sample=wishes.sample,
                capture=capture,
                command=" ".join(self.command),
                follow_fork=wishes.follow_fork,
                timeline=wishes.timeline is not None,
            )
        except _core.Refused as refusal:
            self._go_on_without(str(refusal), insisted=wishes.mode == "objects")
        except ValueError as error:
            atexit.unregister(self.finish)
            raise UsageError(str(error)) from None
        except OSError as error:
            atexit.unregister(self.finish)
            raise UsageError(f"can't write the capture '{capture}': {error.strerror or error}") from None

        if wishes.follow_fork:
            os.register_at_fork(after_in_child=self._begin_in_child)

    def _begin_in_child(self) -> None:
        """Makes a followed child's capture at once; by itself it begins when the child next allocates."""
        try:
            if self.core.tracing():
                self.core.trace_flush()
        except Exception as error:
            say(f"the child {os.getpid()} could not begin its capture: {error}")
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.register_after_fork(self, Session._finish_as_worker)

    def _finish_as_worker(self) -> None:
        """A worker of multiprocessing ends without the functions of atexit; it has finalisers of its own instead.

        Called by the worker, after it has forgotten its parent's finalisers, and before it works.
        """
        from multiprocessing.util import Finalize

        Finalize(None, self.finish, exitpriority=AFTER_ALL_OTHERS)

    def _go_on_without(self, refusal: str, insisted: bool) -> None:
        if insisted:
            atexit.unregister(self.finish)
            raise UsageError(refusal)
        self.refusal = refusal
        self.capture = None
        say(f"{refusal.rstrip('.')}; the program runs without it")

    def _prepare_children(self) -> None:
        """Lets Python programs that this one starts find their orders in the environment."""
        assert self.capture is not None
        base = self.capture
        if self.wishes.append_pid:
            base = base.removesuffix(f".{self.process}")
        os.environ[_environment.NAME] = _environment.join(self.wishes.words_for_children(base))
        if _environment.boot_file() is None:
            hook = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_in_place")
            older = os.environ.get("PYTHONPATH", "")
            if hook not in older.split(os.pathsep):
                os.environ["PYTHONPATH"] = f"{hook}{os.pathsep}{older}" if older else hook

    def finish(self) -> None:
        """The last atexit function: closes the capture, says what there is to say. Never raises."""
        try:
            if self.installed:
                self.triggers.finish()  # while birthplaces are known
                self._draw_arenas()
            if self.producers is not None and os.getpid() == self.process:
                self.collect()  # while birthplaces are known
            # Next, and without a keyword, so that nothing of ours gets into the capture. In a forked child that is not
            # followed there is no capture to close, and tracing simply ends.
            cost = self.core.trace_stop(None, True) if self.core.tracing() else None
            if self.producers is not None:
                self.producers.stop()
            if self.lines is not None:
                self.lines.stop()
            if self.wishes.gil:
                self.core.gil_stop()
            if self.wishes.gc != "stock" and self.installed and self.collector.installed():
                self.pauses = self.collector.pauses(everywhere=True)
            if os.getpid() == self.process:
                self._conclude(cost)
        except (UsageError, OSError) as error:
            say(f"there is no summary: {error}")
        except Exception as error:  # a failing instrument lets go of the program
            say(f"the summary failed: {type(error).__name__}: {error}")

    def _conclude(self, cost: dict[str, Any] | None) -> None:
        wishes = self.wishes
        duration = perf_counter() - self.started
        text = ""
        if self.capture is not None and cost is not None:
            if not wishes.quiet:
                text = self.summary.traced(self.capture, self, cost, duration)
        elif self.installed and not (wishes.quiet or wishes.stats or wishes.map or wishes.heap_only):
            text = self.summary.untraced(self.core.stats(), self, duration)
        if wishes.gil and not wishes.quiet and "kucha.gil" in sys.modules:
            text += sys.modules["kucha.gil"].summary()
        if self.producers is not None and not wishes.quiet:
            text += "\n" + self.producers.text(wishes.top, self.folder)
        if self.lines is not None and not wishes.quiet:
            text += self.lines.summary(wishes.top, self.folder)
        if wishes.stats and self.installed:
            text += self.core.stats_text()
        if text:
            sys.stderr.write(text)
            sys.stderr.flush()
        if wishes.cycles and self.producers is not None:
            import json

            told = json.dumps(self.producers.as_dict(), indent=1, ensure_ascii=False)
            self._write(f"{told}\n".encode("utf-8", "backslashreplace"), wishes.cycles, "the cycles are")
        if self.lines is not None:
            self._write_lines(self.lines)
        if wishes.map is not None and self.drawing is not None:
            self._write(self.drawing, wishes.map, "the arenas are drawn")
        if wishes.timeline is not None and self.capture is not None and cost is not None:
            from kucha.capture import Profile
            from kucha.export import timeline

            draw = timeline.png if wishes.timeline.endswith(".png") else timeline.svg
            picture = draw(Profile(self.capture), "")
            self._write(picture, wishes.timeline, "memory and collections over time are drawn")

    def _draw_arenas(self) -> None:
        wishes = self.wishes
        if wishes.map is None or os.getpid() != self.process:
            return
        if wishes.map_by == "class":
            from kucha.picture import map_svg

            self.drawing = map_svg().encode()
            return
        from tempfile import TemporaryDirectory

        from kucha import arena_map

        with TemporaryDirectory(prefix="kucha-") as folder:
            path = os.path.join(folder, "end.heap")
            self.core.heap_dump(path, program=" ".join(self.command))
            self.drawing = arena_map.picture(path, wishes.map_by)

    def _write_lines(self, lines: Lines) -> None:
        from io import StringIO

        if self.wishes.lines:
            text = StringIO()
            lines.write(text)
            content = text.getvalue().encode("utf-8", "backslashreplace")
            self._write(content, self.wishes.lines, "the tables of all functions are")
        elif not self.wishes.quiet:
            sys.stderr.write("\n")
            lines.write(sys.stderr, self.wishes.top)
            sys.stderr.flush()

    def _write(self, content: bytes, path: str, what: str) -> None:
        """Writes a file, and says so."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if self.wishes.force else os.O_EXCL)
        try:
            with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                file.write(content)
        except OSError as error:
            say(f"can't write '{path}': {error.strerror or error}")
            return
        if not self.wishes.quiet:
            say(f"{what} in {short_path(path, self.folder)}")


def read_wishes(arguments: list[str]) -> tuple[Wishes, list[str]]:
    """The options in ``arguments``, and what follows them."""
    from kucha.options import parse

    values, rest = parse(RUN, arguments)
    return Wishes(values), rest
