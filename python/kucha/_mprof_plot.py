"""``mprof plot``: a file as a picture, by matplotlib (``pip install kucha[plot]``)."""

from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from importlib import import_module
from typing import Any

from kucha.mprof import MprofError, function_labels, read_mprofile_file

COLOURS = ("k", "b", "r", "g", "c", "y", "m")  # of lines, those of functions likewise


def _window(text: str) -> tuple[float, float]:
    try:
        begin, end = map(float, text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"two numbers with a comma between them are wanted, not '{text}'") from None
    return begin, end


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="mprof plot", description="Draws files that mprof run made; the newest by default.")
    parser.add_argument("--title", "-t", help="what stands above the picture")
    parser.add_argument("--no-function-ts", "-n", action="store_true", help="leave the times of functions out")
    parser.add_argument("--output", "-o", help="write a file (png, svg, pdf) and show nothing")
    parser.add_argument("--window", "-w", type=_window, help="only these seconds, such as 0,20.5")
    parser.add_argument("--flame", "-f", action="store_true", help="functions as bars, by their depth")
    parser.add_argument("--slope", "-s", action="store_true", help="also the trend, with its slope")
    parser.add_argument("--backend", help="the backend of matplotlib")
    parser.add_argument("profiles", nargs="*", help="names or numbers")
    return parser


def _matplotlib(backend: str | None, to_file: bool) -> Any:
    try:
        matplotlib: Any = import_module("matplotlib")
        if backend is not None or to_file:
            matplotlib.use(backend or "Agg")
        return import_module("matplotlib.pyplot")
    except ImportError as error:
        raise MprofError(f"matplotlib is needed for plotting: pip install 'kucha[plot]' ({error})") from None


def _trend(times: list[float], memory: list[float]) -> tuple[float, float]:
    """Slope and beginning of the straight line with the least squares."""
    mean_time, mean_memory = sum(times) / len(times), sum(memory) / len(memory)
    spread = sum((at - mean_time) ** 2 for at in times) or 1.0
    pairs = zip(times, memory, strict=True)
    slope = sum((at - mean_time) * (held - mean_memory) for at, held in pairs) / spread
    return slope, mean_memory - slope * mean_time


def _line(axes: Any, times: list[float], memory: list[float], label: str, colour: str, slope: bool) -> None:
    if slope:
        rise, start = _trend(times, memory)
        label += f" slope {rise:.5f}"
        ends = [times[0], times[-1]]
        axes.plot(ends, [start + rise * at for at in ends], "--", linewidth=0.5, color=colour)
    axes.plot(times, memory, "+-" + colour, label=label)


def _functions(axes: Any, calls: dict[str, list[list[float]]], begin: float, flame: bool) -> None:
    labels = function_labels(calls)
    for number, (name, spans) in enumerate(calls.items()):
        colour = COLOURS[1:][number % (len(COLOURS) - 1)]
        for index, (begun, ended, before, after, *depth) in enumerate(spans):
            label = f" {labels[name]} {ended - begun:.3f}s" if index == 0 else None
            if flame:
                bottom = depth[0] if depth else 0
                axes.broken_barh([(begun - begin, ended - begun)], (bottom, 0.9), color=colour, alpha=0.4, label=label)
            else:
                axes.plot([begun - begin, ended - begin], [before, after], "|:" + colour, markersize=18, label=label)


def _file(axes: Any, name: str, index: int, options: Any, with_functions: bool) -> dict[str, Any]:
    profile = read_mprofile_file(name)
    if not profile["timestamp"]:
        raise MprofError(f"'{name}' has no readings: it is empty, or no file of mprof; mprof rm {name} removes it")
    begin = profile["timestamp"][0]
    for spans in profile["func_timestamp"].values():
        begin = min(begin, *(span[0] for span in spans))
    label = time.strftime("%d / %m / %Y - start at %H:%M:%S", time.localtime(begin)) + f".{int(begin % 1 * 1000):03d}"
    times = [at - begin for at in profile["timestamp"]]
    _line(axes, times, profile["mem_usage"], label, COLOURS[index % len(COLOURS)], options.slope)
    for number, (child, readings) in enumerate(profile["children"].items(), 1):
        colour = COLOURS[(index + number) % len(COLOURS)]
        at = [reading[1] - begin for reading in readings]
        _line(axes, at, [reading[0] for reading in readings], f"child {child}", colour, options.slope)
    if with_functions:
        most = max(profile["mem_usage"])
        axes.axhline(most, color="r", linestyle="--", linewidth=0.8)
        axes.axvline(times[profile["mem_usage"].index(most)], color="r", linestyle="--", linewidth=0.8)
        place = axes.twinx() if options.flame else axes
        _functions(place, profile["func_timestamp"], begin, options.flame)
    return profile


def plot(words: list[str], chosen: Callable[[list[str]], list[str]]) -> None:
    """Draws."""
    options = _parser().parse_args(words)
    pyplot = _matplotlib(options.backend, options.output is not None)
    names = chosen(options.profiles)
    figure = pyplot.figure(figsize=(14, 6), dpi=90)
    axes = figure.add_axes([0.1, 0.1, 0.6, 0.75])
    with_functions = len(names) == 1 and not options.no_function_ts
    for index, name in enumerate(names):
        profile = _file(axes, name, index, options, with_functions)
    if options.window is not None:
        axes.set_xlim(*options.window)
    axes.set_xlabel("time (in seconds)")
    axes.set_ylabel("memory used (in MiB)")
    title = options.title if options.title is not None else profile["cmd_line"] if len(names) == 1 else None
    if title:
        axes.set_title(title.strip())
    figure.legend(loc="center left", bbox_to_anchor=(0.72, 0.5)).get_frame().set_alpha(0.5)
    axes.grid(True)
    if options.output:
        figure.savefig(options.output)
    else:
        pyplot.show()
