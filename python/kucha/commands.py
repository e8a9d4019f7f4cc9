"""The verbs of the command line and their options: tables, and nothing that runs."""

from __future__ import annotations

from kucha.options import Command, Option, byte_count, choice, count

FRAMES_DEFAULT = 10  # deep enough to tell callers apart; costs about what one frame does (docs/benchmarks.md)
FRAMES_MAX = 255  # what the engine keeps at most
TOP_SUMMARY = 5  # lines of each table at the end of a run: all of it fits on a screen
TOP_REPORT = 25
TREE_DEPTH = 12

# What a person can sort by; the names of the columns everywhere.
MEASURES = ("peak", "live", "total", "blocks", "temporary")
GROUPINGS = ("own", "line", "function", "file")

_PROGRAM = "script.py [args ...]"
_FORCE = Option("-f --force", None, "Replace files that exist. Without it they are left alone and the command refuses.")
_TOP_HELP = "Lines in each table."

RUN = Command(
    "run",
    "run a program, and trace where its memory goes",
    f"run [options] {_PROGRAM}\nrun [options] -m module [args ...]\nrun [options] -c code [args ...]\n"
    "run [options] - [args ...]",
    "Runs a program as python would, on kucha's allocator, with every allocation traced to the line that made it.",
    "Writes a capture while the program runs, and a summary to standard error when it ends. Options for Python "
    "itself go in front: python -O -m kucha run script.py. The program's exit code is kept; exit code 2 without a "
    "run means that something here was wrong.",
    (
        Option("-o --output", "FILE", "Capture to write. Default: kucha-NAME.PID.kucha in the current directory."),
        _FORCE,
        Option("-q --quiet", None, "No summary, and no messages unless something fails."),
        Option(
            "--frames",
            "N",
            f"Frames kept of each call stack, 1 to {FRAMES_MAX}. Default: {FRAMES_DEFAULT}.",
            FRAMES_DEFAULT,
            count(1, FRAMES_MAX),
        ),
        Option(
            "--sample",
            "BYTES",
            "Trace a random sample, one in about BYTES allocated bytes (512k, 64KiB); totals are unbiased estimates. "
            "Default: trace everything.",
            0,
            byte_count,
        ),
        Option(
            "--mode",
            "MODE",
            "blocks: every block carries its birthplace. objects: also objects that the interpreter takes from its "
            "free lists (Python 3.13 and later; costs time). Default: blocks.",
            "blocks",
            choice("blocks", "objects"),
        ),
        Option(
            "--no-trace --allocator-only",
            None,
            "Only put the allocator in place: no tracing, no capture. Exit code 2 where that cannot be done.",
        ),
        Option("--swap", None, "Insist on the allocator: exit code 2 instead of a plain run where it cannot be had."),
        Option("--follow-fork", None, "Also trace children made by fork, each with a capture of its own, FILE.PID."),
        Option(
            "--follow-subprocesses",
            None,
            "Also trace Python programs that this one starts, each with a capture of its own, FILE.PID.",
        ),
        Option("--append-pid", None, "Name the capture FILE.PID."),
        Option("--map", "FILE", "At the end, draw the arenas as a picture (SVG)."),
        Option("--stats", None, "At the end, print the allocator's statistics, size class by size class."),
        Option("--top", "N", f"{_TOP_HELP} Default: {TOP_SUMMARY}.", TOP_SUMMARY, count(0, 10_000)),
        Option("-h --help", None, "This text."),
    ),
    takes_program=True,
)

REPORT = Command(
    "report",
    "show a capture, or write it for another tool",
    "report [options] FILE\nreport [options] --diff BEFORE FILE",
    "Shows a capture: totals, time line, top places, call tree and arenas.",
    "A capture of a program that still runs, or was killed, can be read too. With one of the output options only that "
    "output is made; OUT may be - for standard output.",
    (
        Option(
            "-s --sort",
            "BY",
            "peak: bytes live when the program held most. live: bytes live at the end. total: bytes ever allocated. "
            "blocks: blocks ever allocated. temporary: blocks freed before the next was allocated. Also what graphs "
            "show. Default: peak; live with --diff.",
            None,
            choice(*MEASURES),
        ),
        Option(
            "--by",
            "KEY",
            "own: the innermost line of your own code (not the standard library, not site-packages). line, function, "
            "file: of the innermost frame. Default: own.",
            "own",
            choice(*GROUPINGS),
        ),
        Option(
            "--top",
            "N",
            f"{_TOP_HELP} Default: {TOP_REPORT}; all of them with --json and --csv.",
            None,
            count(0, 1_000_000),
        ),
        Option("--depth", "N", f"Depth of the call tree. Default: {TREE_DEPTH}.", TREE_DEPTH, count(0, FRAMES_MAX)),
        Option(
            "--diff",
            "BEFORE",
            "Compare with an older capture: what grew and what shrank since, largest change first. Lines move when a "
            "program is edited; --by function then tells more.",
        ),
        Option("--json", None, "Print everything as one JSON document."),
        Option("--csv", None, "Print the table as CSV."),
        Option("--flamegraph", "OUT", "Write a flame graph: OUT.svg is a picture, OUT.html a page that zooms."),
        Option("--collapsed", "OUT", "Write collapsed stacks, for flame graph tools."),
        Option("--speedscope", "OUT", "Write a profile for speedscope (JSON)."),
        Option("--pprof", "OUT", "Write a profile for pprof (gzip-compressed protobuf)."),
        _FORCE,
        Option("-q --quiet", None, "No progress."),
        Option("-h --help", None, "This text."),
    ),
)

STATS = Command(
    "stats",
    "run a program on the allocator, and print statistics",
    f"stats {_PROGRAM}",
    "Runs a program on kucha's allocator, without tracing, and prints the allocator's statistics when it ends.",
    "Short for: kucha run --allocator-only --stats. Modules (-m), code (-c) and standard input (-) work as with run.",
    (Option("-h --help", None, "This text."),),
    takes_program=True,
)

MAP = Command(
    "map",
    "run a program on the allocator, and draw its arenas",
    f"map [options] {_PROGRAM}",
    "Runs a program on kucha's allocator, without tracing, and draws its arenas when it ends.",
    "The picture (SVG) has a row of pools for each arena, coloured by size class and filled by occupancy. Short for: "
    "kucha run --allocator-only --map FILE. Modules (-m), code (-c) and standard input (-) work as with run.",
    (
        Option("-o --output", "FILE", "Picture to write. Default: kucha-map.svg.", "kucha-map.svg"),
        _FORCE,
        Option("-h --help", None, "This text."),
    ),
    takes_program=True,
)

DOCTOR = Command(
    "doctor",
    "say what works on this machine, what does not, and why",
    "doctor [options]",
    "Says what this interpreter, kernel and container allow, what will not work, and why.",
    "Changes nothing. The exit code is 0 when kucha run works here, 1 when it cannot.",
    (
        Option("--json", None, "Print the findings as one JSON document."),
        Option("-h --help", None, "This text."),
    ),
)

COMMANDS = {command.name: command for command in (RUN, REPORT, STATS, MAP, DOCTOR)}
