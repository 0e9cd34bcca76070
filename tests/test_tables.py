"""Tables on terminals of any width: no number is cut, and every row still says what it is."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import termios

import pytest
from commands import EDGESIM, command
from conftest import ROOT
from rich.console import Console

from edgesim.cli import list as list_
from edgesim.cli import terminal_table
from edgesim.cli.terminal_table import Column

WIDTHS = (80, 100, 120, 160, 240)


def drawn(columns: list[Column], width: int, terminal: bool = True) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=terminal, color_system=None)
    terminal_table.print_table(console, "a title", columns)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def plan(rows: int = 3) -> list[Column]:
    """Columns like those of a plan, with a long text among them."""
    return [
        Column("profile", ("raspberry-pi-zero-2-w", "arduino-nano-33-ble-sense", "t4")[:rows], key=True),
        Column("method", ("importance", "random", "full")[:rows], key=True),
        Column("keep", ("0.1", "0.25", "1")[:rows], key=True),
        *(Column(f"quantity {i} s", (f"{i},234,567.8", f"~{i}.5 GFLOP/s", "")[:rows]) for i in range(1, 9)),
        Column("reason", ("needs 3.2 GB of training memory at batch size 64", "", "")[:rows]),
        Column("last J", ("1.234e+15", "0.0001234", "12 %")[:rows]),
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_number_is_cut_and_no_line_is_too_long(width: int) -> None:
    columns = plan()
    text = drawn(columns, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    found = re.split(r"\s{2,}|\n", text)
    for column in columns:
        if column.number:
            for cell in filter(None, column.cells):
                assert cell in [piece.strip() for piece in found], (column.label, cell)
    reason = next(column for column in columns if column.label == "reason").cells[0]
    assert set(reason.split()) <= set(text.split())


@pytest.mark.parametrize("width", [80, 100])
def test_every_part_names_its_rows(width: int) -> None:
    text = drawn(plan(), width)
    headings = [line for line in text.splitlines() if line.startswith("profile")]
    assert len(headings) > 1
    assert text.count("raspberry-pi-zero-2-w") == len(headings)
    assert all("method" in line and "keep" in line for line in headings)
    assert text.count("a title") == 1
    needed = re.search(r"A terminal of (\d+) columns", " ".join(text.split()))
    assert needed
    assert "A terminal of" in drawn(plan(), int(needed[1]) - 1)
    assert drawn(plan(), int(needed[1])).count("raspberry-pi-zero-2-w") == 1


def test_rows_that_say_nothing_in_a_later_part_are_left_out_there() -> None:
    names = Column("name", ("first", "second"), key=True)
    wide = [Column(f"number{i}", (f"{i}" * 30, f"{i}" * 30)) for i in (1, 2)]
    text = drawn([names, *wide, Column("battery", ("", "13.5 Wh"))], 45)
    assert text.count("second") == 3
    assert text.count("first") == 2


def test_a_pipe_gets_one_table_whatever_its_width() -> None:
    text = drawn([*plan(), *(Column(f"more {i}", ("1,234,567,890", "2", "3")) for i in range(10))], 160, terminal=False)
    assert text.count("raspberry-pi-zero-2-w") == 1
    assert text.count("1,234,567,890") == 10


def test_a_terminal_that_is_too_narrow_gets_long_lines_and_no_halves() -> None:
    text = drawn(plan(), 30)
    assert "raspberry-pi-zero-2-w" in text
    assert "1,234,567.8" in text
    assert "…" not in text


def test_an_optional_column_gives_way_before_the_table_parts() -> None:
    names, number = Column("name", ("n" * 30,), key=True), Column("number", ("1" * 30,))
    title = Column("title", ("a title of fair length, " * 3,), optional=True)
    assert drawn([names, number, title], 80).count("n" * 30) == 1
    assert "fair" not in drawn([names, number, title], 80)
    assert "left out here: title" in drawn([names, number, title], 80)
    assert "fair" in drawn([names, number, title], 100)
    assert "left out" not in drawn([names, number, title], 100)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_table_of_profiles(width: int) -> None:
    rows = list_.rows_of("profiles")
    assert rows
    columns = [
        Column(key, tuple(str(row[key] or "") for row in rows), key == "name", key == "title") for key in rows[0]
    ]
    text = drawn(columns, width)
    assert max(map(len, text.splitlines())) <= width
    lines = text.splitlines()
    for row in rows:
        own = " ".join(line for line in lines if line.startswith(f"{row['name']} "))
        for key in ("peak FP32", "used", "memory", "idle", "load", "lasting", "battery"):
            assert row[key] is None or f" {row[key]} " in f"{own} ", (row["name"], key)


def test_rows_of_profiles_have_units_of_their_own_and_mark_estimates() -> None:
    rows = {row["name"]: row for row in list_.rows_of("profiles") or []}
    mkr1000, pi4, s20 = rows["arduino-mkr1000"], rows["raspberry-pi-4b"], rows["galaxy-s20"]
    assert (mkr1000["peak FP32"], mkr1000["memory"], mkr1000["load"]) == ("160 KFLOP/s", "~32 KB", "66 mW")
    assert (pi4["peak FP32"], pi4["used"], pi4["memory"], pi4["idle"]) == ("48 GFLOP/s", "11 %", "4 GB", "1.6 W")
    assert rows["tesla-t4"]["peak FP32"] == "8.14 TFLOP/s"
    assert (rows["tesla-t4"]["load"], rows["tesla-t4"]["watts of"]) == ("70 W", "card")
    assert (s20["used"], s20["lasting"], s20["battery"], s20["software"]) == ("~2.3 %", "~75 %", "~15.4 Wh", "DL4J")


def in_a_pipe(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the program prints where no terminal is."""
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    done = command(*arguments, columns=None)
    assert done.returncode == 0, done.stderr
    return done.stdout


def on_a_terminal(width: int, *arguments: str) -> str:
    """What a person sees: the program, a pseudo-terminal, its size."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    process = subprocess.Popen([EDGESIM, *arguments], cwd=ROOT, env={**environment, "TERM": "xterm"}, stdout=secondary)
    os.close(secondary)
    chunks = []
    while True:
        try:
            chunk = os.read(primary, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(primary)
    assert process.wait(60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", b"".join(chunks).decode()).replace("\r", "")
    assert "…" not in text
    assert max(len(line) for line in text.split("\n")) <= width
    return text


def test_the_profiles_on_a_terminal_of_100_columns() -> None:
    text = on_a_terminal(100, "list", "profiles")
    assert "~32 KB" in text
    assert "160 KFLOP/s" in text
    assert "14, 115 to 1377 MHz" in text
    assert "MAXN, 10W, 15W, 15W_DESKTOP" in text
    assert "left out here: title. A terminal of" in text


def test_a_plan_on_a_terminal_of_80_columns_has_every_number(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("plan", "quickstart", "--set", "seeds=[0]", "--set", "pruning.methods=[full, random, importance]")
    whole = in_a_pipe(*asked, monkeypatch=monkeypatch)  # it counts the network, so that the next one needs no torch
    text = on_a_terminal(80, *asked)
    rows = [line.split() for line in whole.splitlines() if re.match(r"\S+ +(full|random|importance) ", line)]
    assert len(rows) == 4 * 9  # profiles x (full, and two methods at four ratios)
    shown = text[text.index("by profile") :].splitlines()
    for row in rows:
        own = [line.split() for line in shown if line.split()[:3] == row[:3]]
        assert [cell for line in own for cell in line[3:]] == row[3:]


def test_words_stay_whole_and_small_shares_are_numbers() -> None:
    assert Column("class", ("mcu", "edge-server")).least == len("edge-server")
    assert Column("path", ("x" * 40, "y z")).least == 16  # longer words fold
    assert Column("scoring", ("<0.1 %", "2.1 %")).number


def test_a_plan_of_many_rows_says_which_of_them_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("plan", "quickstart", "--set", "seeds=[0]")
    text = in_a_pipe(*asked, monkeypatch=monkeypatch)  # 17 pairs of method and ratio on 4 profiles
    assert "by profile, means per device: only the slowest trial of each, of 68 rows (--json has all)" in text
    found = json.loads(in_a_pipe(*asked, "--json", monkeypatch=monkeypatch))
    assert len(found["by_profile"]) == 68


@pytest.mark.parametrize("network", ["mlp", "resnet18"])
def test_a_prediction_fits_80_columns(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("--profile", "raspberry-pi-zero-2-w", "--model", network, "--input", "3x224x224", "--batch-size", "64")
    in_a_pipe("predict", *asked, monkeypatch=monkeypatch)  # it counts the network, so that the next one needs no torch
    text = on_a_terminal(80, "predict", *asked)
    assert text.count(", binds") == 1
    assert text.count(" %)") == 4
