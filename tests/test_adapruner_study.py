"""AdaPruner's study: its page is that of its results; ranks, gaps and sentences by hand; a point end to end."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datafiles import pixels, png, write_parquet

import edgesim

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "reports"
STUDY = REPORTS / "adapruner"
sys.path[:0] = [str(STUDY), str(REPORTS)]

import ada_costs  # noqa: E402
import ada_page  # noqa: E402
import ada_points  # noqa: E402
import ada_ranks  # noqa: E402
import ada_records  # noqa: E402
import ada_results  # noqa: E402
from ada_points import Point  # noqa: E402
from study import running  # noqa: E402

T_1 = 12.7062
"""two-sided 95 % of Student's t with one degree of freedom"""


def trials(kind: str, values: dict[tuple[str, float], list[float]], data: str = "watch") -> pd.DataFrame:
    """Trials of one data set: (method, keep ratio) -> values by seed, in points; energy is the ratio, scoring none."""
    rows = [
        {"seed": seed, "device": 0, "method": method, "keep_ratio": ratio, "status": "ok", "value": value / 100,
         "local_accuracy": value / 100, "dynamic": False, "device_energy_j": 10 * ratio, "shard_size": 100,
         "subset_size": round(100 * ratio), "r_threshold": ratio + 0.03, "class_share_change": 0.1,
         "data": data, "kind": kind, "model": "cnn1d"}
        for (method, ratio), each in values.items() for seed, value in enumerate(each)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def written(folder: Path, table: pd.DataFrame) -> ada_page.Rows:
    ada_results.results(table).to_csv(folder / ada_results.FILE, index=False, float_format="%.5g")
    return ada_page.Rows(ada_results.read(folder))


def test_the_page_is_what_the_results_say():
    assert ada_page.page(STUDY) == (STUDY / "README.md").read_text(encoding="utf-8"), "run `build.py --page-only`"
    assert (STUDY / "README.md").read_text(encoding="utf-8").count("\n") <= 130
    known = {point.name: point for point in ada_points.points()}
    for file in (STUDY / "points").glob("*.parquet"):
        assert ada_records.read(STUDY, known[file.stem]) is not None, f"{file.name} is of another design"


def test_friedman_and_nemenyi_by_hand():
    """Three methods that keep their order in four blocks: chi² = 8 with 2 degrees of freedom, p = exp(-4)."""
    values = np.array([[3, 2, 1], [5, 4, 0], [9, 8, 7], [2, 1, 0]], dtype=float)
    found = ada_ranks.ranks(("a", "b", "c"), values)
    assert found.mean.tolist() == [1, 2, 3]
    assert found.p == pytest.approx(np.exp(-4))
    assert found.distance == pytest.approx(2.343 * np.sqrt(3 * 4 / 24), rel=1e-3)  # Demšar's table 5: q = 2.343
    assert (found.apart("a", "c"), found.apart("c", "a"), found.apart("a", "b")) == (1, -1, 0)
    assert ada_ranks.nemenyi_distance(10, 1) == pytest.approx(3.164 * np.sqrt(110 / 6), rel=1e-3)
    assert ada_ranks.ranks(("a", "b", "c"), np.ones((2, 3))).p == 1
    assert np.isnan(ada_ranks.ranks(("a", "b"), values[:, :2]).p)


def test_gaps_ranks_and_their_sentences(tmp_path):
    """AdaPruner minus random: +2 and +4 points at each ratio of the paper; it costs as much as its ratio says."""
    names = [name for name in ada_results.METHODS if name != "adapruner"]
    values = {("full", 1.0): [70.0, 80.0]}
    for ratio in ada_points.HIGH:
        values |= {(name, ratio): [50.0, 60.0] for name in names}
        values["adapruner", ratio] = [52.0, 64.0]
    rows = written(tmp_path, trials("compare", values))
    band = ada_page.BANDS["0.6 to 0.95"]
    gap = rows.interval(section="gap", data="watch", method="adapruner", opponent="random", at="ratio", ratios=band)
    assert (gap.estimate, gap.low) == (pytest.approx(3), pytest.approx(3 - T_1, rel=1e-3))
    full = rows.interval(section="gap", data="all", method="adapruner", opponent="full", at="ratio", ratios=band)
    assert full.estimate == pytest.approx(58 - 75)
    cost = rows.interval(section="gap", data="watch", method="adapruner", opponent="random", at="cost", ratios=band)
    assert cost.estimate == pytest.approx(3)  # equal energies
    assert rows.interval(section="rank", method="adapruner", at="ratio", ratios=band).estimate == 1
    assert rows.interval(section="rank", method="random", at="ratio", ratios=band).estimate == 6  # of places 2 to 10
    assert rows.interval(section="energy", ratios="0.6").estimate == pytest.approx(60)
    lines = "\n".join(ada_page._compared(rows))
    assert (
        "- AdaPruner minus random at keep ratios 0.6 to 0.95. At equal ratio: undecided in 1 of 1 setting. At" in lines
    )
    assert "keep ratios 0.1 to 0.5" not in lines
    assert "neither better nor worse than any other (Friedman p" in " ".join(lines.split())


def test_more_energy_than_full_training_is_compared_with_full_training():
    table = trials("compare", {("full", 1.0): [70.0], ("random", 0.6): [50.0], ("adapruner", 0.6): [55.0]})
    table.loc[table["method"] == "adapruner", "device_energy_j"] = 25.0
    assert ada_results.cost_gaps(table, "adapruner", [0.6]) == {0: pytest.approx(-15)}


def test_forms_and_sentences(tmp_path):
    values = {("random", 0.6): [50.0, 60.0], ("ours", 0.6): [55.0, 65.0], ("letter", 0.6): [45.0, 55.0001]}
    rows = written(tmp_path, trials("letter", values))
    text = "\n".join(ada_page._variants(rows, "letter", ada_points.LETTERS))
    assert "shown different from ours: letter at 0.6 (-10.0)" in text
    assert "| ours | **+5.0 ±0.0** | 3.0 | 10 |" in text
    assert "| letter, step 1 | – | – | – |" in text


def test_detection_and_transfer(tmp_path):
    first = trials("detection", {("full", 1.0): [80.0], ("random", 0.85): [70.0], ("adapruner", 0.85): [72.0]}, "cells")
    back = trials("detection-back", {("adapruner", 0.85): [75.0]}, "cells")
    both = pd.concat([first, back]).assign(model="yolov3-tiny")
    tuned = trials("transfer", {(name, ratio): [60.0] for name in ("random", "adapruner") for ratio in ada_points.HIGH}
                   | {("full", 1.0): [60.0]}, "fashion-mnist")  # fmt: skip
    tuned["transfer_test_accuracy"] = np.where(tuned["method"] == "adapruner", 0.42, 0.4)
    rows = written(tmp_path, pd.concat([both, tuned]))
    text = "\n".join(ada_page._detected(rows))
    assert "| yolov3-tiny | 80.0 (+10.0) | 70.0 | 72.0 (+2.0) | 75.0 (+5.0) |" in text
    text = "\n".join(ada_page._transferred(rows))
    assert "| adapruner | +2.0 | +2.0 |" in text
    assert "Fashion-MNIST to handwriting 40.0 %" in text


def test_a_tiny_point_end_to_end(tmp_path, monkeypatch):
    """Methods on 40 digits, then another network on their sets; kept, and on the page."""
    (tmp_path / "watch.yaml").write_text((ada_points.SCENARIOS / "watch.yaml").read_text().replace(
        "{name: parquet, root: wisdm-watch, test: within, limit_train: 2000, limit_test: 1000}",
        "{name: digits, limit_train: 40, limit_test: 20}").replace("model: cnn1d", "model: small-cnn"))  # fmt: skip
    monkeypatch.setattr(ada_points, "SCENARIOS", tmp_path)
    monkeypatch.setitem(ada_points.OTHERS, "watch", "mlp")
    ada = {"name": "adapruner", "epochs": 2, "extra_epochs": 0}
    quick = {"pruning.methods": ["full", "random", ada], "training.epochs": 2, "pruning.keep_ratio": [0.6, 0.8]}
    monkeypatch.setitem(ada_points._CHANGES, "compare", quick)
    monkeypatch.setitem(ada_points._CHANGES, "cross", {"training.epochs": 2})
    own = [Point("watch", "compare", 0), Point("watch", "cross", 0)]
    monkeypatch.chdir(tmp_path)
    asked = argparse.Namespace(only=None, serial=True, page_only=False)
    keep = lambda point, run: ada_records.keep(tmp_path, point, run)  # noqa: E731
    known = lambda point: ada_records.read(tmp_path, point) is not None  # noqa: E731
    running.run_points(own, tmp_path / "runs" / "adapruner", asked, known, keep)
    table = ada_results.trials(tmp_path, own)
    assert set(table["kind"]) == {"compare", "cross"}
    assert table.loc[table["method"] == "adapruner", "r_threshold"].notna().sum() == 2  # the other run scored the rest
    assert (table.loc[table["method"] == "random", "class_share_change"] > 0).any()
    rows = written(tmp_path, table)
    text = "\n".join(ada_page._crossed(rows))
    assert "| adapruner |" in text
    assert "WISDM watch gru" not in text
    monkeypatch.setattr(ada_page, "points", lambda: iter([*own, Point("watch", "letter", 0)]))
    ada_page.write(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "Finished: 2 of 3 points" in page
    assert "Not run yet." in page
    assert "Missing: watch-letter-s0." in page
    assert "Not planned yet." in page


def test_the_papers_scenarios_are_valid_and_planned(tmp_path):
    """On few images of the same form; AdaPruner's pruning phase pays after the trainings that the plan says."""
    listed = list(ada_points.paper_points())
    for point in listed:
        edgesim.load_scenario(point.file, {**point.overrides, "pruning.scores_from": None})
    assert [point.model for point in listed][:4] == ["resnet18", "resnet50", "resnet50", "wide-resnet50-2"]
    for split, count in (("train", 300), ("test", 20)):
        images = [png(one) for one in pixels(count, 32, 32, 3)]
        write_parquet(tmp_path / f"{split}.parquet", images, [number % 10 for number in range(count)])
    data = {"dataset": {"name": "parquet", "root": str(tmp_path)}}
    found = ada_costs.planned("jetson-agx-xavier", data).set_index(["method", "keep_ratio"])
    for ratio in ada_costs.RATIOS:
        row = found.loc[("adapruner", ratio)]
        # scoring / (1 - ratio) trainings, start-up apart; the phase has at most 10 + 200 + 20 epochs of 200
        assert row["scoring_in_trainings"] < 230 / 200
        assert 1 < int(row["pays_after"]) <= np.ceil(1.15 / (1 - ratio)) + 1
    for point in (listed[2], listed[3]):
        few = {
            **point.overrides,
            **data,
            "pruning.methods": ["full", "adapruner"],
            "pruning.keep_ratio": [0.7],
            "seeds": [0],
        }
        assert (edgesim.plan(edgesim.load_scenario(point.file, few))["limit"] == "").all()


@pytest.mark.skipif(not os.environ.get("EDGESIM_DATA"), reason="needs $EDGESIM_DATA/cells-voc, images with boxes")
def test_the_papers_detection_is_planned():
    few = {
        "dataset": {"name": "voc", "root": "cells-voc", "size": [128, 128]},
        "seeds": [0],
        "pruning.keep_ratio": [0.75],
    }
    plan = edgesim.plan(edgesim.load_scenario(ada_points.SCENARIOS / "paper-voc.yaml", few))
    assert len(plan) == 4
    assert (plan["limit"] == "").all()
