"""Command lines with wrong words. Commands and their options come from the parser, so that new ones are tried, too."""

from __future__ import annotations

import contextlib
import functools
import io
import random
import sys
from pathlib import Path
from typing import Any

import yaml

LONG = "x" * 5_000
GOOD: dict[str, list[str]] = {
    "scenario": ["good.yaml", "quickstart"],
    "scenarios": ["good.yaml"],
    "folder": ["run"],
    "paths": ["run", "other"],
    "profile": ["raspberry-pi-4b", "all", "jetson-nano"],
    "model": ["mlp"],
    "shape": ["1x8x8"],
    "batch_size": ["4"],
    "samples": ["10"],
    "epochs": ["2"],
    "startup": ["warm"],
    "optimizer": ["sgd"],
    "classes": ["10"],
    "power_mode": ["full"],
    "precision": ["bf16"],
    "overrides": ["training.epochs=2", "seeds=[1,2]", "fleet.groups[0].count=3", "model.hidden=[4]"],
    "fleets": ["phones"],
    "devices": ["50"],
    "table": ["methods", "profiles", "fleets"],
    "document": ["fleet"],
    "file": ["new.yaml"],
    "out": ["new.html", "new.md", "new.parquet", "new"],
    "page": ["new.md"],
    "name": ["mine"],
    "device_class": ["laptop"],
    "torch_device": ["cpu"],
    "address": ["127.0.0.1:1"],
}
"""argument or option -> values that it takes; others get a 2"""
SAFE: dict[str, list[str]] = {
    "run": ["BAD"],
    "compare": ["BAD", "--fleet", "no-such-fleet"],
    "calibrate": ["--torch-device", "no-such-device"],
}
"""words that let no line of a command get to its long work"""
WORDS = [
    *("-1", "0", "1", "1e9", "99999999999999999999", str(2**63), str(10**18), "9" * 4_000, "nan", "inf", "1_0", "0x10"),
    *("", " ", "--", "-", "--x", "--set", "--json", "-h", "=", "a=b", "a.b.c=1", "training.epochs=", "seeds=["),
    *("seeds=" + "[" * 3_000, "name=" + LONG, "training.learning_rate=1e30", "training.epochs=1e18", "fleet=/dev/zero"),
    *(
        "fleet.groups[0].count=-1",
        "fleet.groups[9].count=1",
        "fleet.groups[99999999999999999999]=1",
        "a" * 3_000 + "=1",
    ),
    *(
        "." * 3_000 + "=1",
        "model.name=os:getcwd",
        "model=a:b",
        "dataset.root=~nouser",
        "dataset={name: npz, root: /dev/zero}",
    ),
    *("training={epochs: 1, unsafe: true}", "x=&a [*a]", "x=!!python/object:os.system {}", "name='\\0'"),
    *(
        "../..",
        "/",
        ".",
        "/dev/null",
        "/dev/zero",
        "/proc/self/mem",
        "no-such-file",
        "no-such/file.html",
        LONG,
        LONG + ".html",
    ),
    *(
        "~nouser/x",
        "~",
        "a\0b",
        "\0",
        "\udcff.yaml",
        "\x1b[31m",
        "\u202e",
        "a\nb",
        "good.yaml",
        "good.yaml/x",
        "new.html/y",
    ),
    *(
        "1x8",
        "axbxc",
        "0x0x0",
        "1x8x8x8",
        "99999x99999x99999",
        "1x1x1",
        "é",
        "²x8x8",
        "all",
        "timm:",
        "timm:x",
        "os:getcwd",
    ),
    *(
        "fuzz.hostile:Exits",
        "fuzz.hostile:Raises",
        "auto",
        "full",
        "<b>",
        "{{7*7}}",
        "*",
        "?",
        "%s",
        "$HOME",
        "-" * 300,
    ),
]
"""words that hardly any option takes"""


class Unwanted(Exception):
    """An end that a command must not have."""


@functools.cache
def parameters() -> dict[str, list[Any]]:
    """Command -> its arguments and options, from the parser."""
    import typer

    from edgesim.cli.app import with_commands

    group: Any = typer.main.get_command(with_commands())
    return {name: list(command.params) for name, command in group.commands.items()}


def line(draw: random.Random) -> list[str]:
    """A command with its arguments, some of its options, and up to three wrong words."""
    command = draw.choice([*parameters(), *parameters(), "--version", "--help", draw.choice(WORDS)])
    words: list[list[str]] = []
    for one in parameters().get(command, ()):
        values = GOOD.get(one.name, ["2"])
        if one.param_type_name == "argument":
            words.append([draw.choice(values)])
        elif one.required or draw.random() < 0.3:
            words.append([one.opts[0]] if one.is_flag else [one.opts[0], draw.choice(values)])
    for _ in range(draw.choice((0, 1, 1, 1, 2, 3))):
        kind = draw.choice(("value", "value", "value", "value", "drop", "insert", "twice"))
        if not words or kind == "insert":
            words.insert(draw.randrange(len(words) + 1), [draw.choice(WORDS)])
            continue
        place = draw.randrange(len(words))
        if kind == "value":
            words[place] = [*words[place][:-1], draw.choice(WORDS)]
        elif kind == "drop":
            words.pop(place)
        else:
            words.append(words[place])
    flat = [word for part in words for word in part]
    if command in SAFE:
        flat = [word for word in flat if word not in ("--", "quickstart", "good.yaml", "run", "-h")] + SAFE[command]
    return [command, *flat]


def run(words: list[str], folder: Path) -> tuple[int, str]:
    """Exit code and standard error of a line, in this process and in a folder."""
    from edgesim import cli

    before, out, err = sys.argv, io.StringIO(), io.StringIO()
    sys.argv = ["edgesim", *words]
    code: Any = 0
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as left:
        code = left.code or 0
    finally:
        sys.argv = before
    return code, err.getvalue()


def command_line(draw: random.Random, folder: Path) -> None:
    """A command with wrong words ends with 0, 1 or 2, and says why where it does not end with 0."""
    from fuzz.targets import SCENARIO

    (folder / "good.yaml").write_text(yaml.safe_dump(SCENARIO), encoding="utf-8")
    (folder / "bad.yaml").write_text(yaml.safe_dump({**SCENARIO, "unknown": 1}), encoding="utf-8")
    words = ["bad.yaml" if word == "BAD" else word for word in line(draw)]
    code, told = run(words, folder)
    shown = " ".join(word[:60] for word in words)
    if code not in (0, 1, 2):
        raise Unwanted(f"edgesim {shown!r} left with {code}")
    if code and not told.strip():
        raise Unwanted(f"edgesim {shown!r} left with {code} and said nothing")
    if len(told) > 30_000 or any(len(one) > 12_000 for one in told.splitlines()):
        raise Unwanted(f"edgesim {shown!r} said {len(told):,} characters")
    if set(told) & set("\x1b\x07\u202e\0"):
        raise Unwanted(f"edgesim {shown!r} steers the terminal")
