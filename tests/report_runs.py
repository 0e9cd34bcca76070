"""Runs to report on, made by hand, and a reader of the pages that come out."""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import math
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from edgesim.records import Record
from edgesim.report import page
from edgesim.results.table_columns import COLUMNS

HOSTILE = "<b>x</b>"


@dataclass
class FakeRun:
    records: pd.DataFrame
    curves: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS["curves"]))
    info: dict = field(default_factory=dict)
    scenario: dict = field(default_factory=lambda: {"name": "demo"})
    path: Path = Path("runs/demo-1")

    def all_failed(self):
        """The same with no trial that ended well."""
        records = self.records.assign(status="failed", reason="the loss of step 7 is nan", test_accuracy=math.nan)
        return dataclasses.replace(self, records=records, curves=self.curves.head(0))

    def with_failures(self):
        """The same with device 0 unable to do anything, for reasons that name HTML and differ in their numbers."""
        records, lost = self.records.copy(), self.records["device"] == 0
        records.loc[lost, "status"] = "infeasible"
        records.loc[lost, "reason"] = [f"needs {n} J of <b>3</b> J" for n in range(int(lost.sum()))]
        records.loc[lost, "test_accuracy"] = math.nan
        return dataclasses.replace(self, records=records, curves=self.curves[self.curves["device"] != 0])


def make_run(seeds=2, devices=3, methods=("full", "random", "importance"), ratios=(0.1, 0.5), **info):
    """A run whose values all differ, so that a number in the wrong place shows."""
    rows, points = [], []
    for seed in range(seeds):
        for device in range(devices):
            for place, method in enumerate(methods):
                for ratio in (1.0,) if method == "full" else ratios:
                    accuracy = 0.5 + 0.3 * ratio + 0.011 * device + 0.006 * seed + 0.013 * place
                    seconds = (device + 1) * (10 * ratio + place)
                    rows.append(
                        Record(
                            "demo", seed, device, f"profile-{device % 2}", method, ratio, "ok",
                            test_accuracy=accuracy, local_accuracy=accuracy + 0.05,
                            analytic_time_s=seconds, analytic_score_time_s=place / 10, analytic_energy_j=3 * seconds,
                            device_time_s=1.5 * seconds, device_energy_j=5 * seconds, host_wall_s=ratio,
                            device_startup_s=0.0, device_score_time_s=0.15 * place,
                        )
                    )  # fmt: skip
                    for epoch in (1, 2, 3):
                        test = (1 / epoch, accuracy) if epoch == 3 else (math.nan, math.nan)
                        points.append((seed, device, method, ratio, epoch, 2 / epoch, accuracy / 2, *test))
    records = pd.DataFrame([dataclasses.asdict(row) for row in rows], columns=COLUMNS["records"])
    known = {"scenario": "demo", "status": "finished", "seeds": list(range(seeds)), "wall_s": 83.0, **info}
    return FakeRun(records, pd.DataFrame(points, columns=COLUMNS["curves"]), known)


class WrittenPage(NamedTuple):
    """A run, its page, the HTML of it, and what the HTML holds."""

    run: FakeRun
    page: page.Page
    text: str
    reader: Reader


@functools.cache
def written(**described) -> WrittenPage:
    """Page of `make_run`, written once per process: nobody changes the run."""
    run = make_run(**described)
    shown = page.of_run(run)
    text = page.render_page(shown)
    return WrittenPage(run, shown, text, Reader(text))


def with_sections(shown, *sections):
    """The same page with these sections alone."""
    return dataclasses.replace(shown, sections=list(sections))


def unpacked(column):
    """The values of a column as the page holds them."""
    if "all" in column:
        return column["all"]
    if "f8" in column:
        return np.frombuffer(base64.b64decode(column["f8"]), dtype="<f8")
    return [column["of"][place] for place in column["at"]] if "of" in column else column["values"]


class Reader(HTMLParser):
    """What a page holds: its text, its tags, the rows of tables in the document, all numbers and figures embedded."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.scripts = [], [], []
        self.tables, self.keys = {}, {}
        """caption -> rows of cell texts, and caption -> name of the table"""
        self._rows, self._text, self.page_text, self._key = [], "", "", ""
        self.feed(text)
        self.close()
        self.data = json.loads(next(script for script in self.scripts if script.startswith('{"tables":')))
        self.specs = self.data["figures"]

    def numbers(self, caption):
        """All rows of a table in full precision, as they are saved and shown by the script."""
        table = self.data["tables"][self.keys[caption]]
        return pd.DataFrame(
            {column["key"]: unpacked(column) for column in table["columns"]}, index=range(table["rows"])
        )

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        self._key = attributes.get("data-table", self._key)
        self._text = ""

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self._rows[-1].append(self._text)
        elif tag == "caption":
            self.tables[self._text], self.keys[self._text] = self._rows, self._key
        elif tag == "script":
            self.scripts.append(self._text)

    def handle_data(self, data):
        self._text += data
        if self.open and self.open[-1] not in ("script", "style"):
            self.page_text += data
