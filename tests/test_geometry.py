"""Geometry of what is kept: measures by hand, embeddings of a run, the command and its page."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from commands import command

import edgesim
from edgesim import seeds
from edgesim.analysis.geometry import (
    PANELS,
    Geometry,
    even_sample,
    geometry,
    geometry_table,
    measured_in_maps,
    panels_of,
    scaled,
    tsne_map,
)
from edgesim.cli import geometry as cli_geometry
from edgesim.errors import RunError
from edgesim.report import geometry_page, text_tables
from edgesim.runtime import SerialExecutor
from edgesim.sessions.embedding import Choice, SeedEmbedding, embeddings

pytest.importorskip("sklearn")

LINE = np.array([[0.0], [2.0], [10.0], [14.0], [30.0], [30.0], [36.0]])
LABELS = np.array([0, 0, 1, 1, 2, 2, 2])


def test_measures_of_three_classes_on_a_line():
    """Centres 1, 12, 32; linkages 8 (0-1), 16 (1-2), 28 (0-2); mean pairs 2, 4, (0 + 6 + 6) / 3 = 4."""
    found = geometry(LINE, LABELS)
    assert found.dunn == pytest.approx(8 / 4)
    assert found.single_linkage == pytest.approx((8 + 8 + 16) / 3)  # 0 and 1 are nearest to each other, 2 to 1
    assert found.centre_distance == pytest.approx((11 + 11 + 20) / 3)
    assert found.radius == pytest.approx((1 + 2 + 4) / 3)
    assert found.intra_distance == pytest.approx((2 + 4 + 4) / 3)
    near = [1 - 2 / 12, 1 - 2 / 10, 1 - 4 / 9, 1 - 4 / 13, 1 - 3 / 18, 1 - 3 / 18, 1 - 6 / 24]
    assert found.silhouette == pytest.approx(np.mean(near))


def test_measures_of_a_single_class_are_unknown_and_equal_samples_have_no_dunn_index():
    assert all(map(math.isnan, geometry(LINE, np.zeros(7, int))))
    assert math.isnan(geometry(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0, 0, 1, 1])).dunn)
    assert math.isnan(geometry(np.array([[0.0], [1.0]]), np.array([0, 1])).silhouette)


def test_an_embedding_is_scaled_to_a_mean_squared_norm_of_one():
    rows = scaled(np.array([[1.0, 0.0], [3.0, 0.0], [2.0, 2.0], [2.0, -2.0]]) * 7)
    np.testing.assert_allclose(rows.mean(axis=0), 0)
    assert (rows**2).sum(axis=1).mean() == pytest.approx(1)
    assert not scaled(np.ones((3, 2))).any()


def test_panels_are_of_the_kept_and_of_the_random_samples():
    """The kept panel has the scale of all samples: it is a part of the same embedding."""
    kept, random = np.array([0, 2, 3, 4, 6]), np.array([1, 2, 3, 4, 5])
    found = panels_of(LINE, -3 * LINE, LABELS, kept, random)
    spread = math.sqrt(((LINE - LINE.mean()) ** 2).mean())
    assert found["kept"].radius == pytest.approx((0 + 2 + 3) / 3 / spread)
    assert found["random"].radius == pytest.approx((0 + 2 + 0) / 3 / spread)
    assert found["kept_network"] == pytest.approx(found["full"])  # mirrored and scaled


def test_maps_are_measured_like_embeddings():
    """Three classes far apart: far apart in every map, too. Each panel has its own map, and two calls the same one."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    rows = rng.normal(size=(60, 4)) + 50 * np.eye(4)[labels]
    found = SeedEmbedding(0, labels, np.arange(0, 60, 2), rows, rows[::-1][np.argsort(labels[::-1])], ("a", "b", "c"))
    measures = measured_in_maps(found, 0, 60)
    assert list(measures) == list(PANELS)
    assert all(one.dunn > 1 for one in measures.values())
    assert all(0 < one.radius < 2 for one in measures.values())  # a scaled map has a mean squared norm of 1
    assert len({one.radius for one in measures.values()}) == 4
    assert measured_in_maps(found, 0, 60) == measures
    places = tsne_map(rows[found.kept], seeds.integer(0, "geometry:map:kept"))
    assert measures["kept"] == geometry(scaled(places), labels[found.kept])


def test_changes_are_paired_by_seed():
    """0.2 to 0.3 is +50 %, 0.4 to 0.5 is +25 %; two seeds have one degree of freedom."""

    def of(value):
        return Geometry(value, 1.0, 1.0, 1.0, 1.0, 0.0)

    rows = [("full", 0, of(0.2)), ("full", 1, of(0.4)), ("kept", 0, of(0.3)), ("kept", 1, of(0.5))]
    table = geometry_table(rows).set_index(["panel", "measure"])
    assert table.loc[("kept", "dunn"), "value"] == pytest.approx(0.4)
    assert table.loc[("kept", "dunn"), "change"] == pytest.approx(0.375)
    assert table.loc[("kept", "dunn"), "change_high"] == pytest.approx(0.375 + 12.7062 * 0.125, rel=1e-4)
    assert table.loc[("kept", "dunn"), "low"] == 0  # no Dunn index is below
    assert math.isnan(table.loc[("full", "dunn"), "change"])
    assert table.loc[("random", "dunn"), "seeds"] == 0
    rows = [(panel, 0, of(value)) for panel, value in (("full", 0.0), ("kept", 0.3))]
    assert math.isnan(geometry_table(rows).set_index(["panel", "measure"]).loc[("kept", "dunn"), "change"])  # from 0


def test_the_change_of_a_silhouette_is_a_difference():
    """From below 0 and from near 0: -0.2 to 0.1 is +0.3 and 0.01 to 0.03 is +0.02, not -150 % and +200 %."""

    def of(value):
        return Geometry(0.2, 1.0, 1.0, 1.0, 1.0, value)

    each = (
        ("full", 0, -0.2),
        ("kept", 0, 0.1),
        ("full", 1, 0.01),
        ("kept", 1, 0.03),
        ("full", 2, 0.0),
        ("kept", 2, 0.1),
    )
    table = geometry_table([(panel, seed, of(value)) for panel, seed, value in each]).set_index(["panel", "measure"])
    found = table.loc[("kept", "silhouette")]
    assert (found["change_is"], table.loc[("kept", "dunn"), "change_is"]) == ("difference", "relative")
    assert found["change"] == pytest.approx((0.3 + 0.02 + 0.1) / 3)
    assert found["change_low"] < found["change"] < found["change_high"] < 2
    assert math.isnan(table.loc[("full", "silhouette"), "change"])


@pytest.mark.parametrize(("base", "kept", "shown"), [(-0.2, -0.1, "+0.100"), (0.011, 0.031, "+0.020")])
def test_the_page_and_the_terminal_mark_a_difference(base, kept, shown):
    def of(value):
        return Geometry(0.2, 1.0, 1.0, 1.0, 1.0, value)

    table = geometry_table([("full", 0, of(base)), ("kept", 0, of(kept))])
    relative, silhouette = geometry_page._tables(table)
    assert "silhouette" not in set(relative.data["measure"])
    written = text_tables.table(silhouette.data)
    assert [label for label, _ in written.headers][6] == "change (difference)"
    assert written.rows[1][6] == shown
    assert text_tables.table(relative.data).rows[5][6] == "0.0 %"
    terminal = {(one["samples and network"], one["measure"]): one["change"] for one in cli_geometry._rows(table)}
    assert terminal["kept samples, network of all", "silhouette"] == shown
    assert terminal["kept samples, network of all", "Dunn index"] == "+0.0 %"
    assert terminal["all samples, network of all", "silhouette"] == ""


def test_a_sample_is_even_over_the_classes():
    labels = np.array([0] * 90 + [1] * 10)
    chosen = even_sample(labels, 10)
    assert (len(chosen), (labels[chosen] == 1).sum()) == (10, 1)
    assert even_sample(labels, 100).tolist() == list(range(100))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    document = {
        "name": "shape", "dataset": {"name": "digits", "limit_train": 60, "limit_test": 20}, "partition": "iid",
        "fleet": {"groups": [{"profile": "raspberry-pi-5", "count": 1}]}, "model": "small-cnn",
        "training": {"epochs": 2, "batch_size": 16, "learning_rate": 0.01}, "seeds": [0, 1],
        "pruning": {"methods": ["full", "el2n", "rs2"], "keep_ratio": [0.5]},
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("geometry") / "run"
    return edgesim.run(edgesim.load_scenario(document), out=folder, executor=SerialExecutor())


def test_embeddings_are_by_the_networks_of_the_run(run):
    """The network of all samples is the run's: its accuracy on the shard follows from no other weights."""
    lines = []
    first, second = embeddings(run, Choice("el2n", 0.5, 0), lines.append)
    assert (first.seed, second.seed, len(lines)) == (0, 1, 4)
    assert first.by_full.shape == first.by_kept.shape == (60, first.by_full.shape[1])
    kept = run.selections[(run.selections["method"] == "el2n") & (run.selections["seed"] == 0)]["index"]
    assert first.kept.tolist() == sorted(kept)  # one device holds all samples in their order
    assert not np.allclose(first.by_full, first.by_kept)
    (again, _) = embeddings(run, Choice("full", 1.0, 0), lines.append)
    np.testing.assert_array_equal(again.by_full, first.by_full)
    np.testing.assert_array_equal(again.by_kept, again.by_full)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice("rs2", 0.5, 0), "rs2 chooses while it trains and keeps no subset"),
        (Choice("el2n", 0.4, 0), "no trial of el2n at 0.4 on device 0 that ended well; it has el2n at 0.5"),
        (Choice("el2n", 0.5, 7), "on device 7"),
    ],
)
def test_choices_that_have_no_subset(run, choice, words):
    with pytest.raises(RunError, match=words):
        next(embeddings(run, choice, lambda _: None))


def test_the_command_writes_maps_and_table(run):
    done = command("geometry", str(run.path), "--json")
    answer = json.loads(done.stdout)
    assert (answer["method"], answer["keep_ratio"], answer["seeds"]) == ("el2n", 0.5, 2)
    assert len(answer["rows"]) == 4 * 6
    page = (run.path / "geometry.html").read_text(encoding="utf-8")
    assert "map-by-full" in page
    assert "map-by-kept" in page
    text = (run.path / "geometry.md").read_text(encoding="utf-8")
    assert "> Dunn index (Eq. 8; larger: classes farther apart), mean over seeds: all samples " in text
    assert "| kept samples, network of all | silhouette | 2 |" in text
    wrong = command("geometry", str(run.path), "--method", "el3n")
    assert wrong.returncode == 2
    assert "el2n" in wrong.stderr
