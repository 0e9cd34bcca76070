"""Pictures of the samples kept first and last: read back from the page and compared with the run folder."""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import RUN_INFO
from PIL import Image
from report_runs import HOSTILE, FakeRun, Reader, make_run, with_sections

import edgesim
from edgesim import formatting, report
from edgesim.analysis.kept_samples import kept_at
from edgesim.report import markdown, page, pictures, run_tables
from edgesim.report.kept_section import kept_section
from edgesim.report.sections import PageStyle
from edgesim.results.run_folder import Run
from edgesim.runtime import SerialExecutor

KEY = ["seed", "device", "method", "keep_ratio"]
COLUMNS = [*KEY, "label", "end", "rank", "index", "score", "tied", "height", "width", "channels", "image"]
SHOWN = {"seed": 0, "device": 1, "samples": 6, "classes": 2}


def sample(method: str, label: int, end: str, rank: int, index: int, score: float, side: int = 8) -> tuple[Any, ...]:
    """A picture all of whose pixels are the sample's index."""
    return (0, 1, method, 0.5, label, end, rank, index, score, 1, side, side, 1, bytes([index]) * side**2)


def extremes(methods: tuple[str, ...] = ("importance",), side: int = 8) -> pd.DataFrame:
    """Two classes; of class 0 two samples at each end, of class 1 one."""
    rows = [
        sample(method, *rest, side=side)
        for method in methods
        for rest in ((0, "most", 1, 11, 2.5), (0, "most", 2, 12, 2.0), (0, "least", 1, 13, -0.001234567),
                     (0, "least", 2, 14, 0.5), (1, "most", 1, 15, 7.0), (1, "least", 1, 16, 6.0))
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


@dataclasses.dataclass
class Pictured(FakeRun):
    extremes: pd.DataFrame = dataclasses.field(default_factory=extremes)
    selections: pd.DataFrame = dataclasses.field(default_factory=lambda: pd.DataFrame(columns=[*KEY, "index"]))
    shards: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)


def pictured(**more: Any) -> Pictured:
    run = make_run(shown=SHOWN, **{name: value for name, value in more.items() if name in ("methods", "ratios")})
    kept = [(0, 1, "importance", ratio, index) for ratio, indices in ((0.1, [11]), (0.5, [11, 12, 15]))
            for index in indices]  # fmt: skip
    shards = pd.DataFrame(
        [(0, 1, index, 0 if index < 15 else 1, "cat" if index < 15 else "dog") for index in range(11, 17)],
        columns=["seed", "device", "index", "label", "class_name"],
    )
    own = {name: value for name, value in more.items() if name in ("extremes", "shards")}
    parts = {"selections": pd.DataFrame(kept, columns=[*KEY, "index"]), "shards": shards, "extremes": extremes(), **own}
    return Pictured(run.records, run.curves, run.info, run.scenario, run.path, **parts)


@functools.cache
def whole_page() -> page.Page:
    """Page of `pictured`, made once."""
    return page.of_run(pictured())


def kept_page(run: Pictured) -> page.Page:
    """The section on kept samples of a run, alone on a page."""
    source = run_tables.read(run)
    return with_sections(whole_page(), kept_section(source, PageStyle.of(source.records)))


def kept(run: Pictured) -> Reader:
    return Reader(page.render_page(kept_page(run)))


def images_of(reader: Reader) -> list[dict[str, str]]:
    return [attributes for tag, attributes in reader.tags if tag == "img"]


def pixels(source: str) -> np.ndarray:
    """The picture behind a data URI."""
    kind, data = source.split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_kept_at_which_ratios() -> None:
    run = pictured()
    assert kept_at(run.extremes, run.selections).tolist() == ["0.1, 0.5", "0.5", "", "", "0.5", ""]
    assert kept_at(run.extremes, run.selections.head(0)).tolist() == [""] * 6
    assert kept_at(run.extremes.head(0), run.selections).tolist() == []
    assert kept_at(pd.DataFrame(columns=COLUMNS), run.selections).tolist() == []  # of an older run


def test_a_page_shows_the_pixels_and_says_what_they_are() -> None:
    reader = Reader(page.render_page(whole_page()))
    shown = images_of(reader)
    assert [one["alt"] for one in shown] == [
        "cat, most important, place 1: score 2.5, sample 11, kept at 0.1, 0.5",
        "cat, most important, place 2: score 2, sample 12, kept at 0.5",
        "cat, least important, place 1: score -0.001235, sample 13, kept at no ratio",
        "cat, least important, place 2: score 0.5, sample 14, kept at no ratio",
        "dog, most important, place 1: score 7, sample 15, kept at 0.5",
        "dog, least important, place 1: score 6, sample 16, kept at no ratio",
    ]
    for one, index in zip(shown, range(11, 17), strict=True):
        np.testing.assert_array_equal(pixels(one["src"]), np.full((8, 8), index))
    assert "Device 1 (profile-1) in seed 0 with 6 samples of 2 classes" in reader.page_text
    assert "from the trial at keep ratio 0.5" in reader.page_text
    assert "random does not rank samples" in reader.page_text
    table = reader.numbers("Samples kept first and last, on one device")
    assert table[["index", "score", "kept_at"]].values.tolist()[:3] == [
        [11, 2.5, "0.1, 0.5"], [12, 2.0, "0.5"], [13, -0.001234567, ""],
    ]  # fmt: skip


def test_colours_survive() -> None:
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    np.testing.assert_array_equal(pixels(pictures.data_uri(image)), image)


def test_ties_are_told() -> None:
    table = extremes().assign(tied=37)
    (gallery,) = pictures.galleries(table.assign(class_name="cat", kept_at=""))
    assert "one of 37 of its class with this score" in gallery.classes[0].ends[0][1][0].alt


def test_there_is_a_gallery_per_method() -> None:
    methods = ("full", "random", "importance", "el2n")
    reader = kept(pictured(methods=methods, extremes=extremes(("importance", "el2n"))))
    assert [a["data-method"] for tag, a in reader.tags if "data-method" in a] == ["importance", "el2n"]
    assert len(images_of(reader)) == 12
    start = next(place for place, (tag, a) in enumerate(reader.tags) if tag == "section" and a["id"] == "kept")
    offered = [a["value"] for tag, a in reader.tags[start:] if tag == "option"]
    assert offered == ["importance", "el2n"]


def test_pictures_keep_to_their_budget() -> None:
    """One per end where two have no room; then the first methods, and what is left out is said."""
    everything = pictures.galleries(extremes(("a", "b")).assign(class_name="cat", kept_at=""))
    whole = sum(gallery.size for gallery in everything)
    assert pictures.fitted(everything, whole) == (everything, [])
    fewer, said = pictures.fitted(everything, whole - 1)
    assert said == ["1 of 2 samples per end is shown, to keep the page small."]
    assert [len(found) for gallery in fewer for one in gallery.classes for _, found in one.ends] == [1] * 8
    assert [one.ends[0][1][0] for one in fewer[0].classes] == [one.ends[0][1][0] for one in everything[0].classes]
    first, said = pictures.fitted(everything, fewer[0].size)
    assert [gallery.method for gallery in first] == ["a"]
    assert "none of b" in said[0]
    assert pictures.fitted([], 0) == ([], [])


def test_large_tables_leave_pictures_their_least(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the tables take all, some pictures are shown all the same, and what is left out is said."""
    monkeypatch.setattr(pictures, "LEAST_BYTES", 2000)
    without = page.render_page(kept_page(pictured(extremes=extremes().head(0))))
    monkeypatch.setattr(page.payload, "MAX_BYTES", len(without.encode()))
    reader = kept(pictured())
    assert len(images_of(reader)) == 4  # one per class and end
    assert "1 of 2 samples per end is shown" in reader.page_text


def test_the_size_of_a_gallery_is_what_it_takes_in_the_page() -> None:
    text = page.render_page(kept_page(pictured()))
    text = text[text.index('<div class="gallery"') : text.index("</section>", text.index('<div class="gallery"'))]
    text = text[: text.index("<details>")]
    (gallery,) = pictures.galleries(extremes().assign(class_name="cat", kept_at="0.1, 0.5"))
    classes = 2 * 500  # what stands around a class and its two ends
    assert 0.5 * gallery.size < len(text.encode()) < gallery.size + classes


def test_numbers_in_rows_are_said_to_be_no_pictures() -> None:
    reader = kept(pictured(extremes=extremes().assign(height=0, width=0, image=b"")))
    assert images_of(reader) == []
    assert "The samples of this run have no pictures" in reader.page_text
    assert reader.numbers("Samples kept first and last, on one device")["index"].tolist() == [*range(11, 17)]


def test_class_names_of_pictures_are_escaped() -> None:
    shards = pictured().shards.assign(class_name=HOSTILE + '" onerror="alert(1)')
    reader = kept(pictured(shards=shards))
    assert all(set(one) == {"src", "alt", "title"} for one in images_of(reader))
    assert images_of(reader)[0]["alt"].startswith(HOSTILE + '" onerror')


@pytest.mark.parametrize(
    ("info", "table", "said"),
    [
        ({"shown": None}, extremes().head(0), "No method of this run ranks samples"),
        ({"shown": SHOWN}, extremes().head(0), "random and importance do not rank samples"),
        ({"shown": {**SHOWN, "device": 9}}, extremes().head(0), "random and importance have no trial on device 9"),
        ({"shown": {**SHOWN, "classes": 100}}, extremes(), "Its 20 most frequent classes are shown."),
    ],
)
def test_what_there_are_no_pictures_of_is_said(info: dict[str, Any], table: pd.DataFrame, said: str) -> None:
    run = pictured(extremes=table)
    run.info = {**{name: value for name, value in run.info.items() if name != "shown"}, **info}
    assert said in kept(run).page_text


def test_of_subsets_of_another_run_that_is_said() -> None:
    run = pictured(extremes=extremes().head(0))
    run.scenario = {"name": "demo", "pruning": {"scores_from": f"runs/{HOSTILE}"}}
    text = kept(run).page_text
    assert f"The subsets are those of runs/{HOSTILE} (pruning.scores_from)" in text
    assert "not rank samples" not in text


def test_markdown_has_the_indices_and_scores(tmp_path: Path) -> None:
    def written(shown: page.Page) -> str:
        markdown.write_page(shown, tmp_path / "page.md", markdown.SHOWN_SECTIONS, markdown.SHOWN_FIGURES)
        return (tmp_path / "page.md").read_text()

    text = written(whole_page())
    assert "Samples kept first and last on device 1 in seed 0, index (score):" in text
    assert "| importance | cat | 11 (2.5), 12 (2) | 13 (-0.001235), 14 (0.5) |" in text
    assert "| importance | dog | 15 (7) | 16 (6) |" in text
    assert "data:image" not in text
    many = written(kept_page(pictured(extremes=extremes(tuple("dcba")))))
    assert "on device 1 in seed 0, first 3 of 4 methods, index (score):" in many
    assert [line.split(" | ")[0] for line in many.splitlines() if " | cat | " in line] == ["| d", "| c", "| b"]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    from conftest import DOCUMENT

    from edgesim.scenario import loading as scenarios

    folder = tmp_path_factory.mktemp("pictured")
    overrides = {"pruning.methods": ["full", "random", "importance", "el2n"], "pruning.keep_ratio": [0.2, 0.6]}
    scenario = scenarios.from_document(DOCUMENT, "tiny.yaml", folder, overrides)
    return edgesim.run(scenario, folder / "run", executor=SerialExecutor())


def test_pictures_of_a_real_run_are_those_of_its_parquet(real: Run, tmp_path: Path) -> None:
    reader = Reader(report.write(real, tmp_path / "report.html").read_text(encoding="utf-8"))
    stored = pd.read_parquet(real.path / "extremes.parquet")
    names = real.shards.drop_duplicates("label").set_index("label")["class_name"].astype(str)
    chosen = pd.read_parquet(real.path / "selections.parquet")
    shown = images_of(reader)
    assert len(shown) == len(stored) > 80
    for one, row in zip(shown, stored.to_dict("records"), strict=True):
        shape = (row["height"], row["width"])
        np.testing.assert_array_equal(pixels(one["src"]), np.frombuffer(row["image"], np.uint8).reshape(shape))
        begins = f"{names[row['label']]}, {row['end']} important, place {row['rank']}: "
        begins += f"score {formatting.number(row['score'])}, sample {row['index']}"
        assert one["alt"].startswith(begins)
        mine = chosen[(chosen["device"] == row["device"]) & (chosen["method"] == row["method"])]
        ratios = sorted(mine.loc[mine["index"] == row["index"], "keep_ratio"])
        kept = f"kept at {', '.join(f'{ratio:g}' for ratio in ratios)}" if ratios else "kept at no ratio"
        assert one["alt"].endswith(kept)
    table = reader.numbers("Samples kept first and last, on one device")
    for column in ("label", "rank", "index", "score", "tied", "method", "end"):
        assert table[column].tolist() == stored[column].tolist(), column


def test_a_page_is_written_without_torch_and_ray(real: Run, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom edgesim.cli import main\n"
        f"sys.argv = ['edgesim', 'report', {str(real.path)!r}, '--out', {str(tmp_path / 'page.html')!r}]\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code\n"
        "print([name for name in ('torch', 'ray', 'torchvision', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert len(images_of(Reader((tmp_path / "page.html").read_text()))) == len(real.extremes)


def test_both_reports_at_once_are_those_written_alone(tmp_path: Path) -> None:
    run = pictured(methods=("full", "importance"), ratios=(0.5,))
    names = [tmp_path / "both.html", tmp_path / "both.md"]
    assert report.write_all(run, names) == names
    assert names[0].read_bytes() == report.write(run, tmp_path / "one.html").read_bytes()
    assert names[1].read_bytes() == report.write_markdown(run, tmp_path / "one.md").read_bytes()


def test_a_run_that_is_still_going_shows_the_pictures_that_it_has(real: Run, tmp_path: Path) -> None:
    """Its results are in the journal alone."""
    from edgesim.results.run_folder import read_results
    from edgesim.results.run_writer import RunFolder

    results = read_results(real.path)
    folder = RunFolder.create(
        tmp_path / "run", (real.path / "scenario.yaml").read_text(), {**RUN_INFO, "shown": real.info["shown"]}
    )
    folder.describe({"shards": real.shards, "devices": real.devices})
    for result in results:
        if result.record.method != "el2n":
            folder.append(result)
    going = Run(tmp_path / "run")
    reader = Reader(page.render(going))
    assert [a["data-method"] for _, a in reader.tags if "data-method" in a] == ["importance"]
    assert len(images_of(reader)) == (real.extremes["method"] == "importance").sum()
    folder.release()
