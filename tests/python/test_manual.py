"""--help and the manual page say the same as the tables that the command line is read with."""

from __future__ import annotations

import re

import pytest
from conftest import TOP, Runner
from kucha.commands import COMMANDS
from kucha.options import Command, help_text

MANUAL = TOP / "man" / "kucha.1"


def section(name: str) -> str:
    """A section of the manual page, without the page's own markup."""
    text = MANUAL.read_text().replace("\\-", "-").replace("\\e", "\\")
    found = re.search(rf"^\.SH {name}\n(.*?)(?=^\.SH |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section {name}"
    return found[1]


def headings(text: str) -> list[tuple[str, ...]]:
    """The names in each heading of an option: .TP, then a line such as .BR -o ", " --output " FILE"."""
    return [tuple(re.findall(r"(?<!\w)--?\w[\w-]*", line)) for line in re.findall(r"^\.TP\n(.*)$", text, re.MULTILINE)]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_manual_has_every_option_and_no_other(command: Command) -> None:
    assert headings(section(f"KUCHA {command.name.upper()}")) == [option.names for option in command.options]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_manual_explains_options_in_the_same_words(command: Command) -> None:
    lines = section(f"KUCHA {command.name.upper()}").splitlines()
    for option in command.options:
        assert option.help in lines
        if option.metavar:
            assert any(f"\\fI{option.metavar}\\fR" in line and option.names[-1] in line for line in lines)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_help_names_every_option_once(command: Command, kucha: Runner) -> None:
    done = kucha(command.name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == help_text(command)
    heads = [line for line in done.stdout.splitlines() if re.match(r"  -", line)]
    assert [tuple(re.findall(r"(?<!\w)--?\w[\w-]*", head.partition("   ")[0])) for head in heads] == [
        option.names for option in command.options
    ]
    assert all(len(line) < 80 for line in done.stdout.splitlines())
    for usage in command.usage.splitlines():
        assert f"usage: kucha {usage}\n" in done.stdout


def test_overview_names_every_command(kucha: Runner) -> None:
    done = kucha("--help")
    assert done.returncode == 0
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.brief)}$", done.stdout, re.MULTILINE)
    assert kucha("-h").stdout == done.stdout


def test_synopsis_of_the_manual_is_the_usage(kucha: Runner) -> None:
    words = re.sub(r"^\.(?:B |br)", "", section("SYNOPSIS"), flags=re.MULTILINE).split()
    usages = " ".join(f"kucha {line}" for command in COMMANDS.values() for line in command.usage.splitlines())
    assert " ".join(words) == usages


def test_manual_names_every_verb_of_mprof() -> None:
    from kucha.mprof import VERBS

    assert tuple(re.findall(r"^\.TP\n\.B (\w+)$", section("KUCHA MPROF"), re.MULTILINE)) == VERBS
