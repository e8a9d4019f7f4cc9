"""What a capture knows over time, in the shape that a plot needs: memory as lines, collections as shares of time.

The capture has a point every so often (``Profile.timeline``), and beside the points after which collections had taken
place, sums of what those did so far (``Profile.collections``). Here sums become what happened in each of some equal
slices of the time, and axes get ticks that people can read.
"""

from __future__ import annotations

from bisect import bisect_left

from kucha.text import number, one_line, percent, plural, seconds, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kucha.capture import Profile

    Line = list[tuple[float, float]]  # (seconds, bytes)

SLICES = 120  # of collections: a bar of 7 pixels each
POINTS_MOST = 1500  # of a line: more than a picture has columns
GENERATIONS = ("young", "middle", "old")
LINES = {"resident": (2,), "arenas and large blocks": (3, 4), "traced": (1,)}  # columns of a point that are added up
TICKS = 5  # about as many on an axis


class Collections:
    """The collector's part: sums over all generations, and the share of each slice of the time by generation."""

    def __init__(self, profile: Profile, begin: float, end: float) -> None:
        last = profile.collections[-1] if profile.collections else (0.0, (0, 0, 0), (0, 0, 0), 0, 0, 0)
        self.counts = last[1]
        self.nanoseconds = last[2]
        self.collected = last[4]
        self.uncollectable = last[5]
        self.longest, self.longest_at = max(((entry[3], entry[0]) for entry in profile.collections), default=(0, 0.0))
        self.seconds = sum(self.nanoseconds) / 1e9
        self.share = self.seconds / (end - begin) if end > begin else 0.0
        self.slice_seconds = (end - begin) / SLICES
        self.shares = self._shares(profile, begin)

    def _shares(self, profile: Profile, begin: float) -> list[list[float]]:
        """For each slice the share of its time that collections of each generation took."""
        slices = [[0.0, 0.0, 0.0] for _ in range(SLICES)]
        moments = [begin, *(point[0] for point in profile.timeline)]
        before = (0, 0, 0)
        for entry in profile.collections:
            taken = [(now - was) / 1e9 for now, was in zip(entry[2], before, strict=True)]
            since = moments[max(0, bisect_left(moments, entry[0]) - 1)]
            self._spread(slices, taken, since - begin, entry[0] - begin)
            before = entry[2]
        return slices

    def _spread(self, slices: list[list[float]], taken: list[float], since: float, until: float) -> None:
        """What happened between two points belongs to the slices between them, to each as much as it has of them."""
        wide = self.slice_seconds
        if not wide or until <= since:
            return
        for place in range(int(since / wide), min(SLICES, int(until / wide) + 1)):
            part = (min(until, (place + 1) * wide) - max(since, place * wide)) / (until - since)
            for generation in range(3):
                slices[place][generation] += max(0.0, part) * taken[generation] / wide

    def text(self) -> str:
        """The sums in one line."""
        if not sum(self.counts):
            return "no collections"
        each = ", ".join(f"{number(count)} {name}" for count, name in zip(self.counts, GENERATIONS, strict=True))
        share = percent(self.seconds, self.seconds / self.share) if self.share else ""
        return (
            f"{plural(sum(self.counts), 'collection')} ({each}), {seconds(self.seconds)}{', ' * bool(share)}{share} "
            f"of the time; longest {duration(self.longest / 1e9)}; {plural(self.collected, 'object')} freed"
        )


class Timeline:
    """A capture over time. ``begin`` and ``end`` are seconds since the start of tracing."""

    def __init__(self, profile: Profile) -> None:
        points = profile.timeline
        self.begin = 0.0
        self.end = points[-1][0] if points else 0.0
        self.lines: dict[str, Line] = {name: thinned(column(points, which)) for name, which in LINES.items()}
        self.highest = max((value for line in self.lines.values() for _, value in line), default=0.0)
        self.watched = bool(profile.collections)
        self.collections = Collections(profile, self.begin, self.end)
        header = profile.header
        self.title = one_line(header["command"])
        peak = profile.totals["peak_bytes"]
        resident = max((point[2] for point in points), default=0)
        self.subtitle = (
            f"CPython {header['python']}, process {header['pid']}, {seconds(self.end)}; "
            f"at most {size(resident)} resident, {size(peak)} traced"
        )


def column(points: list[tuple[float, int, int, int, int]], columns: tuple[int, ...]) -> Line:
    """One line of the plot out of all points."""
    return [(point[0], float(sum(point[index] for index in columns))) for point in points]


def thinned(line: Line) -> Line:
    """A line with no more points than can be seen; of those that fall together the highest is kept."""
    step = -(-len(line) // POINTS_MOST)
    if step <= 1:
        return line
    return [max(line[start : start + step], key=lambda point: point[1]) for start in range(0, len(line), step)]


def duration(value: float) -> str:
    """A time as short as a pause may be."""
    return seconds(value) if value >= 0.0995 else f"{value * 1e3:.1f} ms" if value >= 0.001 else f"{value * 1e6:.0f} µs"


def ticks(most: float, unit: float = 1.0) -> list[float]:
    """Round numbers of a unit from 0 up to `most`, about TICKS of them."""
    wanted = most / unit / TICKS
    if wanted <= 0:
        return [0.0]
    power = 10.0 ** (len(f"{int(wanted)}") - 1) if wanted >= 1 else 10.0 ** -(_zeros(wanted) + 1)
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted) * unit
    return [step * index for index in range(int(most / step) + 1)]


def _zeros(value: float) -> int:
    """How many zeros stand behind the point of a number below 1."""
    count = 0
    while value < 0.1:
        value *= 10
        count += 1
    return count


def byte_unit(most: float) -> float:
    """The unit that an axis of so many bytes is marked in."""
    unit = 1.0
    while most / unit >= 1024 and unit < 1 << 40:
        unit *= 1024
    return unit
