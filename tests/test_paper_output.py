"""`edgesim figures` and `edgesim tables`: fonts, sizes, the tables behind the figures, and what is set in bold."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import command
from metric_runs import write_run

from edgesim.analysis.best_methods import best_methods
from edgesim.errors import EdgesimError, OutputError
from edgesim.report import latex, paper_tables
from edgesim.report import page as pages
from edgesim.report.figures.figure import Figure
from edgesim.report.print_figures import PrintSettings, draw
from edgesim.report.print_folder import write_figures
from edgesim.report.print_style import PALETTE
from edgesim.report.print_table import shown_table
from edgesim.results.run_folder import Run
from edgesim.tasks import METRICS

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib, which draws figures, is not installed"
)
PDF = PrintSettings("pdf", 3.5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("paper") / "run", "detection")


def by_hand() -> Figure:
    """Two lines with intervals and a band, one for each of two methods, with names that would be formulas."""
    lines = [
        {"type": "scatter", "mode": "lines+markers", "name": name, "x": [0.1, 0.5, 1.0], "y": [1.0, None, 3.0],
         "line": {"color": colour, "dash": "solid"}, "marker": {"color": colour, "symbol": symbol},
         "meta": meta, "error_y": {"array": [0.5, 0.1, 0.25], "arrayminus": [0.25, 0.1, 0.5]}}
        for name, colour, symbol, meta in (
            ("$a_b$ &lt;i&gt;", "#7d838c", "circle-open", {"method": "a"}), ("b", "#c2570c", "square", {"method": None})
        )
    ]  # fmt: skip
    band = {"type": "scatter", "mode": "lines", "fill": "toself", "fillcolor": "rgba(194,87,12,0.2)", "name": "",
            "x": [0.1, 1.0, 1.0, 0.1], "y": [0.5, 2.0, 4.0, 1.5], "legendgroup": "b", "showlegend": False}  # fmt: skip
    x, y = {"title": {"text": "keep ratio"}}, {"title": {"text": "energy (J)"}}
    return Figure("hand", "Title", "Note.", "", {"data": [*lines, band], "layout": {"xaxis": x, "yaxis": y}})


def test_the_table_of_a_figure_has_its_marks_with_intervals() -> None:
    figure = by_hand()
    table = shown_table(figure, {"method": "b"})
    assert table["series"].tolist() == ["b", "b", "b", *["b (band)"] * 4]
    assert table["energy (J)"].tolist()[2] == 3.0
    assert table.loc[2, ["energy (J), low", "energy (J), high"]].tolist() == [2.5, 3.25]
    assert pd.isna(table.loc[1, "energy (J), low"])
    assert set(table) == {"series", "keep ratio", "energy (J)", "energy (J), low", "energy (J), high"}
    assert shown_table(figure, {"method": "a"})["series"].tolist()[0] == "$a_b$ <i>"


@needs_matplotlib
def test_files_have_their_width_and_embedded_fonts(tmp_path: Path) -> None:
    figure = by_hand()
    for form in ("pdf", "svg", "png"):
        for name in ("one", "two") if form == "svg" else ("one",):
            draw(figure, figure.spec["data"], tmp_path / f"{name}.{form}", PrintSettings(form, 3.5))
    content = (tmp_path / "one.pdf").read_bytes()
    (width, _) = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", content).groups()  # type: ignore[union-attr]
    assert float(width) == pytest.approx(3.5 * 72)
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    if shutil.which("pdffonts"):
        listed = subprocess.run(["pdffonts", tmp_path / "one.pdf"], capture_output=True, text=True, check=True).stdout
        fonts = [line.split() for line in listed.splitlines()[2:]]
        assert fonts
        assert all(font[-5] == "yes" for font in fonts), listed  # embedded
    svg = (tmp_path / "one.svg").read_text()
    assert svg == (tmp_path / "two.svg").read_text()
    assert "<text" not in svg
    assert 'width="252pt"' in svg
    from PIL import Image

    with Image.open(tmp_path / "one.png") as image:
        assert image.width == 1050


def test_the_palette_is_for_colour_blind_readers() -> None:
    rgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in PALETTE])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    # Machado, Oliveira and Fernandes 2009: deuteranopia and protanopia, severity 1.
    for matrix in (
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    ):
        seen = linear @ np.array(matrix).T
        nearest = min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2))
        assert nearest > 0.09


@needs_matplotlib
def test_figures_of_a_run_with_captions_and_those_of_the_edge_paper(run: Run, tmp_path: Path) -> None:
    page = pages.of_run(run)
    chosen = [part for part in page.sections if part.key in ("gap", "training")]
    page = dataclasses.replace(page, sections=[dataclasses.replace(one, figures=one.figures[:1]) for one in chosen])
    missing = write_figures(page, tmp_path / "out", PDF, {})
    captions = pd.read_csv(tmp_path / "out" / "captions.csv").set_index("file")
    assert sorted(captions.index) == sorted(path.name for path in (tmp_path / "out").glob("*.pdf"))
    assert {path.stem for path in (tmp_path / "out").glob("*.pdf")} == {
        path.stem for path in (tmp_path / "out").glob("*.csv")
    } - {"captions"}
    gap = pd.read_csv(tmp_path / "out" / "gap.csv")
    own = gap[gap["series"] == "importance"].sort_values("keep ratio")
    assert own["keep ratio"].tolist() == [0.25, 0.5]
    assert own["mAP at 0.5 − random (points)"].tolist() == pytest.approx([-30, -15], rel=1e-3)
    assert pd.read_csv(tmp_path / "out" / "edge-paper-figure-09.csv").equals(gap)
    assert "method importance" in captions.loc["edge-paper-figure-03.pdf", "note"]
    assert any("edge-paper-figure-10" in line for line in missing)
    with pytest.raises(OutputError, match="is not empty"):
        write_figures(page, tmp_path / "out", PDF, {})
    for choices, said in [({"colour": "x"}, "no choice 'colour'"), ({"method": "x"}, "no method 'x'; there are:")]:
        with pytest.raises(EdgesimError, match=said):
            write_figures(page, tmp_path / "other", PDF, choices)
    assert not (tmp_path / "other").exists()


def test_bad_arguments_write_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words, said in [
        (("--width", "3.5"), "a number with in, cm, mm, or pt"), (("--width", "90in"), "2in to 20in"),
        (("--width", "1in"), "2in to 20in"),
        (("--format", "gif"), "allowed: pdf, svg, png"), (("--choose", "method"), "KEY=VALUE"),
    ]:  # fmt: skip
        done = command("figures", str(run.path), "--out", "new", *words, cwd=tmp_path)
        assert (done.returncode, said in " ".join(done.stderr.split())) == (2, True), done.stderr
    assert command("tables", str(run.path), "--out", "new", "--format", "tex", cwd=tmp_path).returncode == 2
    assert command("tables", str(tmp_path), "--out", "new", cwd=tmp_path).returncode == 1
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else find(name, *a))
    done = command("figures", str(run.path), "--out", "new", cwd=tmp_path)
    assert (done.returncode, "edgesim[figures]" in done.stderr) == (2, True)
    assert not (tmp_path / "new").exists()


def records_by_hand(spread: float, seeds: int = 4) -> pd.DataFrame:
    """`good` is 0.1 above `bad` everywhere; `close` is below `good` by 0.001 and more or less by the seed."""
    rows = []
    for seed, device in itertools.product(range(seeds), (0, 1)):
        base = 0.6 + 0.05 * seed + 0.01 * device
        values = {"full": base + 0.2, "good": base, "bad": base - 0.1, "close": base - 0.001 + spread * (-1) ** seed}
        for method, value in values.items():
            ratio = 1.0 if method == "full" else 0.5
            key = {"seed": seed, "device": device, "method": method, "keep_ratio": ratio}
            costs = {"device_time_s": 2.0, "device_energy_j": 4.0, "storage_bytes": 100}
            rows.append({**key, "status": "ok", "ratio_rule": "", "test_accuracy": value, **costs})
    return pd.DataFrame(rows)


def test_bold_are_the_best_and_those_that_nothing_shows_to_be_worse() -> None:
    table = best_methods(records_by_hand(spread=0.02)).set_index("method")
    assert table["is_best"].to_dict() == {"full": False, "good": True, "bad": False, "close": False}
    assert table["is_among_best"].to_dict() == {"full": False, "good": True, "bad": False, "close": True}
    exact = best_methods(records_by_hand(spread=0.0)).set_index("method")  # 0.001 lower in every trial
    assert not exact.loc["close", "is_among_best"]
    one = best_methods(records_by_hand(spread=0.02, seeds=1))
    assert not one["is_among_best"].any()
    assert one["half_width"].isna().all()
    assert table.loc["good", "value"] == pytest.approx(0.6 + 0.05 * 1.5 + 0.005)


def test_a_method_of_the_easy_devices_alone_is_not_the_best() -> None:
    """`easy` has the highest mean, and is below `both` on every trial that it has."""
    rows = []
    for seed, device in itertools.product(range(4), (0, 1)):
        base = 0.5 + 0.4 * (device == 0) + 0.001 * seed
        for method, value in (("both", base), ("easy", base - 0.05 + 0.002 * seed)):
            if method == "both" or device == 0:
                key = {"seed": seed, "device": device, "method": method, "keep_ratio": 0.5}
                costs = {"device_time_s": 2.0, "device_energy_j": 4.0, "storage_bytes": 100}
                rows.append({**key, "status": "ok", "ratio_rule": "", "test_accuracy": value, **costs})
    table = best_methods(pd.DataFrame(rows)).set_index("method")
    assert table.loc["easy", "value"] > table.loc["both", "value"]
    assert table["is_best"].to_dict() == {"both": True, "easy": False}
    apart = pd.DataFrame([row for row in rows if row["method"] == "easy" or row["device"] == 1])
    assert not best_methods(apart)["is_best"].any()


def test_plus_minus_is_not_half_of_a_cut_interval() -> None:
    """Means 0.9 and 1.0 of two seeds: 0.95 ± 12.706 · 0.05; the interval itself ends at 1."""
    rows = [{"seed": seed, "device": 0, "method": "random", "keep_ratio": 0.5, "status": "ok", "ratio_rule": "",
             "test_accuracy": value, "device_time_s": 2.0, "device_energy_j": 4.0, "storage_bytes": 1}
            for seed, value in enumerate((0.9, 1.0))]  # fmt: skip
    assert best_methods(pd.DataFrame(rows))["half_width"].item() == pytest.approx(12.706 * 0.05, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a<b>c|d", r"a$<$b$>$c$|$d"), ("a--b -0.5", r"a-{}-b $-$0.5"), ('"q"', r"\texttt{\char34}q\texttt{\char34}"),
        ("α=Β², 3 × 4 ≥ 2", r"$\alpha$=B$^2$, 3 $\times$ 4 $\geq$ 2"), ("---", "-{}-{}-"), ("top-5", "top-5"),
    ],
)  # fmt: skip
def test_labels_are_set_as_they_are_written(text: str, expected: str) -> None:
    assert latex.escaped(text) == expected
    assert latex.unknown_signs(latex.escaped(f"é{text}日本日")) == "日本"


def test_a_mean_has_the_decimals_of_its_interval() -> None:
    rows = [{"method": "m", "keep_ratio": 0.5, "value": value, "half_width": half, "is_among_best": False}
            for value, half in ((2.0712, 0.108), (1234.5, 67.8), (2.0712, np.nan), (2.0, 0.0))]  # fmt: skip
    cells = [paper_tables._mean_cell(pd.Series(row), METRICS["mae"]).text for row in rows]
    assert cells == ["2.07 ± 0.11", "1,234 ± 68", "2.07", "2 ± 0"]


def test_tables_say_n_escape_names_and_keep_numbers(run: Run, tmp_path: Path) -> None:
    done = command("tables", str(run.path), "--out", "tables", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "tables" / "accuracy.tex").read_text()
    assert r"\toprule" in text
    assert "n = 12 trials" in text
    assert text.count(r"\\") == 1 + 3
    assert r"\textbf{" in text
    numbers = paper_tables.as_csv(paper_tables.tables_of(run)[0])
    csv = pd.read_csv(__import__("io").StringIO(numbers)).set_index(["method", "keep_ratio"])
    own = run.records[(run.records["method"] == "importance") & (run.records["keep_ratio"] == 0.5)]
    assert csv.loc[("importance", 0.5), "test_map50"] == pytest.approx(own["test_map50"].mean(), rel=1e-12)
    cell = paper_tables.Cell("50 % of a_b & {c}", bold=True)
    table = paper_tables.PaperTable("t", "x ± y_z", ("m", "v"), ((cell, paper_tables.Cell("a|b")),), csv)
    assert r"\textbf{50 \% of a\_b \& \{c\}} & a$|$b \\" in paper_tables.as_latex(table)
    assert r"\caption{x $\pm$ y\_z}" in paper_tables.as_latex(table)
    assert r"| **50 % of a\_b & {c}** | a\|b |" in paper_tables.as_markdown(table)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX (pdflatex) is installed")
@needs_matplotlib
def test_a_document_of_tables_and_figures_compiles(run: Run, tmp_path: Path) -> None:
    paper_tables.write_tables(run, tmp_path / "tables", "latex")
    cells = tuple(paper_tables.Cell("as wide as many methods are") for _ in range(9))
    wide = paper_tables.PaperTable(
        "wide", "wider than a page", tuple(cell.text for cell in cells), (cells,), pd.DataFrame()
    )
    (tmp_path / "tables" / "wide.tex").write_text(paper_tables.as_latex(wide))
    figure = by_hand()
    draw(figure, figure.spec["data"], tmp_path / "hand.pdf", PDF)
    (tmp_path / "paper.tex").write_text(
        "\\pdfobjcompresslevel=0\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n"
        "\\input{tables/accuracy}\\input{tables/costs}\\input{tables/wide}"
        "\\begin{figure}\\includegraphics[width=\\columnwidth]{hand}\\end{figure}\n\\end{document}\n"
    )
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    fonts = (tmp_path / "paper.pdf").read_bytes()
    assert b"/Type3" not in fonts.replace(b" ", b"")  # bitmaps, which publishers refuse
