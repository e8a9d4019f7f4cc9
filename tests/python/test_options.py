"""How words on the command line become values."""

from __future__ import annotations

import pytest
from kucha.commands import MAP, REPORT, RUN
from kucha.options import UsageError, parse


def test_options_end_where_the_program_begins() -> None:
    values, rest = parse(RUN, ["-q", "--frames", "3", "app.py", "-q", "--frames", "x"])
    assert (values["quiet"], values["frames"]) == (True, 3)
    assert rest == ["app.py", "-q", "--frames", "x"]


@pytest.mark.parametrize("words", [["-m", "pytest", "-x"], ["-c", "pass", "-x"], ["-", "-x"], ["-mpytest", "-x"]])
def test_module_code_and_standard_input_are_programs(words: list[str]) -> None:
    assert parse(RUN, ["-f", *words])[1] == words


@pytest.mark.parametrize("words", [["-o", "a"], ["-oa"], ["--output", "a"], ["--output=a"], ["-qfo", "a"], ["-qoa"]])
def test_ways_to_give_a_value(words: list[str]) -> None:
    assert parse(RUN, [*words, "app.py"])[0]["output"] == "a"


def test_options_may_stand_behind_a_file_that_is_no_program() -> None:
    values, rest = parse(REPORT, ["x.kucha", "--top", "3", "--", "--json"])
    assert (values["top"], values["json"], rest) == (3, False, ["x.kucha", "--json"])


def test_other_names_of_an_option() -> None:
    assert parse(RUN, ["--no-trace"])[0]["allocator_only"]
    assert parse(RUN, ["--allocator-only"])[0]["allocator_only"]
    assert parse(MAP, [])[0]["output"] == "kucha-map.svg"


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("64k", 65536), ("64K", 65536), ("64KiB", 65536), ("512kb", 524288), ("2M", 2 << 20)]
)
def test_byte_counts(text: str, value: int) -> None:
    assert parse(RUN, ["--sample", text])[0]["sample"] == value


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--nonsense"], "unknown option --nonsense; see kucha run --help"),
        (["-Z"], "unknown option -Z; see kucha run --help"),
        (["-qZ"], "unknown option -Z; see kucha run --help"),
        (["--output"], "--output needs a value, FILE"),
        (["-o"], "-o needs a value, FILE"),
        (["--quiet=yes"], "--quiet takes no value"),
        (["--frames", "0"], "the value of --frames must be a whole number from 1 to 255, not '0'"),
        (["--frames", "256"], "the value of --frames must be a whole number from 1 to 255, not '256'"),
        (["--frames", "²"], "the value of --frames must be a whole number from 1 to 255, not '²'"),
        (["--sample", "64x"], "the value of --sample must be a number of bytes such as 65536 or 64k, not '64x'"),
        (["--sample", "0"], "the value of --sample must be a number of bytes such as 65536 or 64k, not '0'"),
        (["--sample", "-1"], "the value of --sample must be a number of bytes such as 65536 or 64k, not '-1'"),
        (["--sample", ""], "the value of --sample must be a number of bytes such as 65536 or 64k, not ''"),
        (["--mode", "lines"], "the value of --mode must be one of blocks, objects, not 'lines'"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(RUN, words)
    assert str(caught.value) == sentence
