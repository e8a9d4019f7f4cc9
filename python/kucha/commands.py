"""The verbs of the command line and their options: tables, and nothing that runs."""

from __future__ import annotations

from kucha.heap_triggers import read_when
from kucha.options import Command, Option, byte_count, choice, count

FRAMES_DEFAULT = 10  # deep enough to tell callers apart; costs about what one frame does (docs/benchmarks.md)
FRAMES_MAX = 255  # what the engine keeps at most
GC_THREADS_MAX = 4  # KU__TEAM_MOST
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
        Option(
            "--gc",
            "WHOSE",
            "kucha: also put kucha's collector in charge; exit code 2 where that cannot be done. concurrent: the same, "
            "and a child of the process makes full collections of large heaps. stock: CPython's own. Default: stock.",
            "stock",
            choice("stock", "kucha", "concurrent"),
        ),
        Option(
            "--gc-threads",
            "N",
            "Threads with which kucha's collector marks a large heap, 1 to 4, while the program stands still. Default: "
            "as many as there are processors for the program.",
            0,
            count(1, GC_THREADS_MAX),
        ),
        Option("--follow-fork", None, "Also trace children made by fork, each with a capture of its own, FILE.PID."),
        Option(
            "--follow-subprocesses",
            None,
            "Also trace Python programs that this one starts, each with a capture of its own, FILE.PID.",
        ),
        Option(
            "--drop-in",
            None,
            "Imports of tracemalloc, memory_profiler, psutil and resource give kucha's modules, installed or not.",
        ),
        Option("--append-pid", None, "Name the capture FILE.PID."),
        Option(
            "--tracemalloc",
            None,
            "Give the program kucha.tracemalloc under the name of tracemalloc, and started: with the frames of "
            "--frames, or more where PYTHONTRACEMALLOC asks for more.",
        ),
        Option(
            "--timeline",
            "FILE",
            "Watch memory and collections over time, densely; at the end, draw them: FILE.svg, or FILE.png (needs "
            "matplotlib). Default of FILE: the capture's name with .svg.",
            implied="",
        ),
        Option(
            "--gil",
            None,
            "Watch the interpreter's lock: at the end, say how long each thread held it and waited for it, and what "
            "share collections took.",
        ),
        Option(
            "--cycles",
            "FILE",
            "Watch what collections find dead: at the end, after one more collection, show which references closed the "
            "cycles, or write all of it to FILE (JSON).",
            implied="",
        ),
        Option(
            "--lines",
            "FILE",
            "Record what each line does to memory: at the end, show the lines and the functions that allocated most, "
            "or write the tables of all functions to FILE.",
            implied="",
        ),
        Option(
            "--lines-of",
            "CODE",
            "Whose lines: own (no standard library, no installed package), all, modules, files, or FILE:FUNCTION, "
            "apart by commas; * and ? stand for anything. Default: own.",
            "own",
        ),
        Option(
            "--resident",
            "WHEN",
            "With --lines, read resident memory where it may have moved, after every line, or keep it off. Default: "
            "moved.",
            "moved",
            choice("moved", "every", "off"),
        ),
        Option(
            "--heap-dump",
            "FILE",
            "Write a heap file, for kucha heap, when --heap-at says. A second one is called like app.2.heap. Default: "
            "kucha-NAME.PID.heap, where --heap-at is given.",
        ),
        Option(
            "--heap-at",
            "WHEN",
            "exit; memory-error (the first time memory is refused); a signal, such as SIGUSR1; an amount of resident "
            "memory, such as 2G; or a share, such as 80%, of what the control group, RLIMIT_AS or RLIMIT_DATA allow. "
            "Several with commas. Default: exit.",
            None,
            read_when,
        ),
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
        Option("--timeline", "OUT", "Draw memory and collections over time: OUT.svg, or OUT.png (needs matplotlib)."),
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
    "draw the arenas of a program, a process or a heap file",
    f"map [options] {_PROGRAM}\nmap [options] PID\nmap [options] FILE",
    "Draws the arenas (SVG): what their pools hold, by size class, type, age or birthplace.",
    "A program is run on kucha's allocator, and its arenas are drawn when it ends; modules (-m), code (-c) and "
    "standard input (-) work as with run. A process must run under kucha; it is stopped for some milliseconds. A FILE "
    "is a heap file (see kucha heap).\n\nThe picture has a row for each arena and a cell for each of its pools, which "
    "is filled from below by what lives in it. Of a program by class, the fill is the share of blocks that live.",
    (
        Option(
            "--by",
            "KEY",
            "What has one colour: class (size of block), type, age (the collector's generation) or site (birthplace; "
            "of a program that is run this traces it). Default: class.",
            "class",
            choice("class", "type", "age", "site"),
        ),
        Option("-o --output", "OUT", "Picture to write. Default: kucha-map.svg.", "kucha-map.svg"),
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

PS = Command(
    "ps",
    "show what memory processes use",
    "ps [options] [PID ...]",
    "Shows the memory of processes: of those named, or of all that can be seen.",
    "rss is in memory now, uss of it this process's alone, pss its fair share; peak is the largest rss ever. What this "
    "user may not know is left blank. Below stand the machine's memory, and the limit of this control group, which is "
    "what a container may use.",
    (
        Option(
            "-s --sort",
            "BY",
            "rss, uss, pss, swap, vms, peak: most first. cpu: most CPU time first. pid: in order. Default: rss.",
            "rss",
            choice("rss", "uss", "pss", "swap", "vms", "peak", "cpu", "pid"),
        ),
        Option("--top", "N", f"{_TOP_HELP} Default: {TOP_REPORT}; all that were named.", None, count(0, 1_000_000)),
        Option("--maps", None, "For each process that was named, also what is mapped, file by file."),
        Option("--json", None, "Print everything as one JSON document; sizes in bytes, times in seconds."),
        Option("-h --help", None, "This text."),
    ),
)

# In the order of kucha.resource.limit_table: a test compares the two.
_LIMITS = {
    "as": "Addresses that are mapped, in bytes.",
    "core": "Size of a core file, in bytes; 0 writes none.",
    "cpu": "CPU time, in seconds.",
    "data": "Private writable memory, the heap among it, in bytes.",
    "fsize": "Size of a file that is written, in bytes.",
    "locks": "File locks and leases; Linux ignores it.",
    "memlock": "Memory that may be kept from swapping, in bytes.",
    "msgqueue": "Messages in POSIX queues of this user, in bytes.",
    "nice": "How far the priority may be raised: to nice value 20 minus this.",
    "nofile": "Open files.",
    "nproc": "Threads of this user.",
    "rss": "Memory in use, in bytes; Linux ignores it.",
    "rtprio": "Real-time priority that may be set.",
    "rttime": "CPU time of a real-time thread without waiting once, in microseconds.",
    "sigpending": "Signals of this user that wait to be delivered.",
    "stack": "Stack of the main thread, in bytes, and the default of others.",
}

LIMITS = Command(
    "limits",
    "show what a process may use, or set it",
    "limits [options] [PID]\nlimits [options] -- program [args ...]",
    "Shows the limits of a process and of its control group, beside what it uses; or sets limits.",
    "Without a PID the limits are those of this command, which it has from the shell. With options the limits are set: "
    "of the process PID, or of a program, which is then run in place of this command.\n\nA LIMIT is a number, with "
    "a suffix (64k, 2M, 1GiB) where it counts bytes, or unlimited. It is for the soft limit, which holds, and "
    "for the hard one, up to which the process itself may raise the soft one. SOFT:HARD gives each its own; SOFT: and "
    ":HARD change one of them. A hard limit that was lowered can be raised by root alone.",
    (
        *(Option(f"--{name}", "LIMIT", meaning) for name, meaning in _LIMITS.items()),
        Option("--json", None, "Print everything as one JSON document; no limit is null."),
        Option("-h --help", None, "This text."),
    ),
)

HEAP = Command(
    "heap",
    "show what is in a heap file, and who holds it",
    "heap top [options] FILE\nheap tree [options] FILE [NODE]\nheap path [options] FILE [NODE]\n"
    "heap holders [options] FILE NODE\nheap query [options] FILE QUERY\nheap diff [options] OLD [BETWEEN] NEW\n"
    "heap suspects [options] FILE\nheap pins [options] FILE\nheap duplicates [options] FILE\n"
    "heap slack [options] FILE\nheap export [options] FILE\nheap dump [options] PID\n"
    f"heap dump [options] -- {_PROGRAM}\nheap core [options] CORE [EXE]\nheap import [options] FILE",
    "Shows what was alive in a heap file, who held it, and how much would go with it.",
    "top: objects by type and more. tree: what would go if a node went, largest first; without a NODE from the roots "
    "on. path: the shortest chains of references from the roots to a node; with --where those of many, merged. "
    "holders: who refers to a node. query: the nodes that answer to a QUERY. diff: what changed between two or three "
    "heaps. suspects: what keeps a tenth of the heap or more, in words. pins: nearly empty arenas, what keeps them, "
    "who holds that, and how much would go back. duplicates: strings, bytes, numbers and tuples that are equal. slack: "
    "room in containers that nothing is in, and what the allocator gave beyond what was asked for. export: a file for "
    "another tool. dump: the heap of a program that goes on, which writes it itself if it runs under kucha, and else "
    "is stopped while its memory is copied; or runs one, with birthplaces, and writes its heap at its end. core: the "
    "heap file of a process that is over, out of its core file; EXE is its program, where the core's own name for it "
    "is wrong here. import: the heap file of a .pyheap file, which the other verbs take as it is, too.\n\n"
    "A NODE is an address (0x7f00) or a number (#12).",
    (
        Option(
            "--by",
            "KEY",
            "top, diff: type, module, site (birthplace); top also: size, age. Default: type.",
            "type",
            choice("type", "module", "site", "size", "age"),
        ),
        Option("-w --where", "QUERY", "Only nodes that answer to this query."),
        Option(
            "-s --sort",
            "BY",
            "query: size, retained (bytes that would go with it), or address. Default: size.",
            "size",
            choice("size", "retained", "address"),
        ),
        Option(
            "--top",
            "N",
            f"{_TOP_HELP} Default: {TOP_REPORT}; 3 paths; all of them with top --json and diff --json.",
            None,
            count(0, 1_000_000),
        ),
        Option("--depth", "N", f"Depth of trees. Default: {TREE_DEPTH}.", TREE_DEPTH, count(0, FRAMES_MAX)),
        Option("--json", None, "Print the same as one JSON document."),
        Option(
            "-o --output",
            "OUT",
            "export: OUT.heapsnapshot is for Chrome's DevTools; OUT.json, OUT.csv, OUT.parquet are tables; OUT.dot, "
            "OUT.svg, OUT.png show what retains most. dump: the heap file; default: kucha-PID.heap or "
            "kucha-NAME.PID.heap. core, import: default: CORE.heap, FILE.heap, here.",
        ),
        Option(
            "--root",
            "DIR",
            "core: look for the files that the core names under DIR, as those of a container.",
        ),
        _FORCE,
        Option("-q --quiet", None, "No progress."),
        Option("-h --help", None, "This text."),
    ),
)

COMMANDS = {command.name: command for command in (RUN, REPORT, HEAP, STATS, MAP, PS, LIMITS, DOCTOR)}
