"""The page of a run in a real browser: figures drawn, tables at work, wide and narrow, light and dark."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
import pandas as pd
import pytest
from browser import busy_s, draw_all, open_page, wait_for
from conftest import RUN_INFO
from report_runs import FakeRun, Reader, make_run, with_sections, written

from edgesim import formatting, report
from edgesim.analysis.means import summary
from edgesim.ranked_samples import RankedSamples
from edgesim.records import CurvePoint, MethodOutputs, Record, Trial, TrialResult
from edgesim.report import outline, plot_style, run_tables
from edgesim.report.fleet_sections import devices_section
from edgesim.report.kept_section import kept_section
from edgesim.report.page import write_page
from edgesim.report.sections import PageStyle
from edgesim.results.run_folder import Run
from edgesim.results.run_writer import RunFolder
from edgesim.results.table_columns import empty

FIGURES = """
return [...document.querySelectorAll("figure[data-figure]")].map((root) => {
  const svg = root.querySelector(".plot .main-svg");
  const drawn = [...root.querySelectorAll(".scatterlayer path, .scatterlayer .point, .barlayer .point path")];
  const box = svg ? svg.getBoundingClientRect() : {width: 0, height: 0};
  return {key: root.dataset.figure, width: box.width, height: box.height, marks: drawn.length,
          right: box.right, text: getComputedStyle(root.querySelector("text.xtitle") || root).fill};
});
"""
ROWS = """
return [...arguments[0].querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent));
"""


@pytest.fixture(scope="module")
def run() -> FakeRun:
    return make_run(seeds=3, devices=6, methods=("full", "random", "importance", "<i>el2n</i>"), ratios=(0.1, 0.5, 0.8))


@pytest.fixture(scope="module")
def page(run: FakeRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.write(run, tmp_path_factory.mktemp("page") / "report.html")


class Opened(NamedTuple):
    """The page in the browser, narrow and dark or wide and light, opened once for all tests in their order here.

    Widths depend on no colour and colours on no width.
    """

    driver: Any
    width: int
    dark: bool
    downloads: Path


@pytest.fixture(scope="module", params=[(390, True), (1400, False)], ids=str)
def opened(request: pytest.FixtureRequest, page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    width, dark = request.param
    downloads = tmp_path_factory.mktemp("downloads")
    with open_page(page, downloads, width, dark) as driver:
        yield Opened(driver, width, dark, downloads)


def at(*looks):
    """Some of the widths and colour schemes."""
    return pytest.mark.parametrize("opened", looks, indirect=True, ids=str)


def choose(driver, section, value):
    """Another choice of a section on the page."""
    driver.execute_script(
        """
      const select = document.querySelector(arguments[0]);
      select.value = arguments[1];
      select.dispatchEvent(new Event("change"));""",
        section,
        value,
    )


def write_section(run, section, out):
    """Page with one section of a run's report; all else on it is of another run."""
    source = run_tables.read(run)
    other = written(seeds=1, devices=1, ratios=(0.5,)).page
    return write_page(with_sections(other, section(source, PageStyle.of(source.records))), out)


def table(driver, caption):
    """The element of the table with a caption."""
    text = "return arguments[0].querySelector('caption').textContent"
    everything = driver.find_elements("css selector", "[data-table]")
    found = [one for one in everything if driver.execute_script(text, one) == caption]
    assert len(found) == 1, caption
    return found[0]


def rows_of(driver, element):
    return driver.execute_script(ROWS, element)


def errors(driver):
    return [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


@at((390, True))
def test_figures_wait_until_they_are_scrolled_to(opened):
    last = "return [...document.querySelectorAll('figure[data-figure]')].at(-1)"
    assert opened.driver.execute_script(f"{last}.figure.drawn") is False
    opened.driver.execute_script(f"{last}.scrollIntoView()")
    wait_for(lambda: opened.driver.execute_script(f"{last}.querySelector('.main-svg') !== null"))


def test_every_figure_is_drawn_and_nothing_complains(opened):
    driver, width, dark, _ = opened
    draw_all(driver)
    found = driver.execute_script(FIGURES)
    assert len(found) >= 10
    for figure in found:
        assert figure["width"] > 250, figure
        assert figure["height"] > 200, figure
        assert figure["marks"] > 0, figure
        assert figure["right"] <= width, figure
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    look = plot_style.PAGE_COLOURS["dark" if dark else "light"]
    shown = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert shown == rgb(look["page"])
    assert {figure["text"] for figure in found} == {rgb(look["ink"])}
    assert errors(driver) == []


@at((1400, False))
def test_the_script_writes_numbers_as_the_page_does(opened, page):
    """The rows that Python wrote into the document and those that the script puts in their place are the same."""
    tables = Reader(page.read_text(encoding="utf-8")).tables
    draw_all(opened.driver)
    for caption, (_, *rows) in tables.items():
        assert rows_of(opened.driver, table(opened.driver, caption))[: len(rows)] == rows, caption
    assert len(tables) > 8


@at((1400, False))
def test_pages_of_a_table_turn(opened, run):
    element = table(opened.driver, "Every trial")
    element.find_element("css selector", "button[aria-label='Next rows']").click()
    shown = element.find_element("css selector", ".rows").text
    assert shown == f"26–50 of {len(run.records)} rows"
    seconds = [formatting.number(value) for value in run.records["analytic_time_s"].iloc[25:50]]
    place = list(run.records.drop(columns=["scenario"])).index("analytic_time_s")
    assert [row[place] for row in rows_of(opened.driver, element)] == seconds
    element.find_element("css selector", "button[aria-label='Previous rows']").click()
    assert element.find_element("css selector", ".rows").text.startswith("1–25 of ")


def test_tables_sort_filter_and_save(opened, run):
    trials = run.records.drop(columns=["scenario"])
    driver = opened.driver
    element = table(driver, "Every trial")
    assert len(rows_of(driver, element)) == 25
    heads = element.find_elements("css selector", "th button")
    place = list(trials).index("test_accuracy")
    driver.execute_script("arguments[0].focus()", heads[place])
    driver.switch_to.active_element.send_keys("\ue007")  # the Enter key
    least = [row[place] for row in rows_of(driver, element)]
    expected = trials["test_accuracy"].sort_values()
    assert least == [formatting.percent(value) for value in expected.head(25)]
    driver.execute_script("arguments[0].click()", heads[place])  # on a phone it is to the right of the window
    assert [row[place] for row in rows_of(driver, element)] == [formatting.percent(v) for v in expected[::-1].head(25)]
    element.find_element("css selector", "input").send_keys("el2n profile-1")
    matching = trials[(trials["method"] == "<i>el2n</i>") & (trials["profile"] == "profile-1")]
    counted = element.find_element("css selector", ".rows")
    wait_for(lambda: f"{len(matching)} of {len(trials)} rows" in counted.text)
    element.find_element("css selector", "button[aria-label^='Save']").click()
    saved = opened.downloads / "trials.csv"
    wait_for(lambda: saved.exists() and saved.stat().st_size > 0)
    with saved.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == list(trials)
    # Sorted as shown, and every digit of it.
    accuracies = [float(row[place]) for row in rows]
    assert accuracies == sorted(matching["test_accuracy"], reverse=True)
    assert errors(driver) == []


def test_figures_are_saved(opened):
    form = "svg" if opened.dark else "png"
    draw_all(opened.driver)
    figure = opened.driver.find_element("id", "figure-test-accuracy")
    button = figure.find_element("css selector", f"button[aria-label^='Save as {form.upper()}']")
    opened.driver.execute_script("arguments[0].click()", button)
    saved = opened.downloads / f"figure-test-accuracy.{form}"
    wait_for(lambda: saved.exists() and saved.stat().st_size > 0)
    content = saved.read_bytes()
    assert content.startswith(b"\x89PNG" if form == "png" else b"<svg")
    if form == "svg":
        assert b"Test accuracy against keep ratio" in content
    assert errors(opened.driver) == []


@at((1400, False))
def test_the_choice_of_a_method_changes_what_is_drawn(opened):
    draw_all(opened.driver)
    visible = """return document.getElementById("figure-curve-subset-loss").querySelector(".plot")
        .data.filter((trace) => trace.visible).map((trace) => trace.meta.method)"""
    assert set(opened.driver.execute_script(visible)) == {None, "importance"}
    choose(opened.driver, "#training select", "random")
    assert set(opened.driver.execute_script(visible)) == {None, "random"}


@at((1400, False))
def test_a_legend_entry_hides_its_line(opened):
    draw_all(opened.driver)
    figure = opened.driver.find_element("id", "figure-gap")
    entries = figure.find_elements("css selector", ".legend button")
    assert [entry.text[1:] for entry in entries] == ["importance", "<i>el2n</i>"]
    count = "return arguments[0].querySelectorAll('.scatterlayer .trace').length"
    assert opened.driver.execute_script(count, figure) == 2
    opened.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", figure)
    entries[0].click()
    assert entries[0].get_attribute("aria-pressed") == "false"
    assert opened.driver.execute_script(count, figure) == 1


@at((390, True))
def test_paper_shows_every_figure_in_light_colours(opened):
    driver = opened.driver
    driver.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    found = driver.execute_script(FIGURES)
    assert all(figure["marks"] > 0 and 0 < figure["width"] <= 340 for figure in found[1:])
    assert found[0]["key"] == "pareto-energy"  # it stands first, as wide as the paper
    assert 340 < found[0]["width"] <= 700
    assert {figure["text"] for figure in found} == {rgb(plot_style.PAGE_COLOURS["light"]["ink"])}
    driver.execute_script("window.dispatchEvent(new Event('afterprint'))")
    after = {figure["text"] for figure in driver.execute_script(FIGURES)}
    assert after == {rgb(plot_style.PAGE_COLOURS["dark"]["ink"])}


@at((390, True))
def test_the_theme_button_overrules_the_system(opened):
    draw_all(opened.driver)
    button = opened.driver.find_element("id", "theme")
    assert button.text == "Theme: auto"
    for theme in ("light", "dark"):
        button.click()
        assert button.text == f"Theme: {theme}"
        ink = rgb(plot_style.PAGE_COLOURS[theme]["ink"])
        assert opened.driver.execute_script(FIGURES)[0]["text"] == ink


def rgb(colour):
    return "rgb({}, {}, {})".format(*(int(colour[i : i + 2], 16) for i in (1, 3, 5)))


def test_no_table_is_wider_than_paper(tmp_path):
    """Letter and A4 leave 700 pixels. Long reasons wrap; many columns make the font smaller."""
    run = make_run(seeds=2, devices=4, methods=("full", "random", "importance"), ratios=(0.1, 0.5)).with_failures()
    run.records["profile"] = "a-profile-with-quite-a-long-name-" + run.records["device"].astype(str)
    lost = run.records["status"] == "infeasible"
    run.records.loc[lost, "reason"] = "needs 31,700,000,000 B of training memory at batch size 64 " * 5
    with open_page(report.write(run, tmp_path / "report.html"), tmp_path, 720) as driver:
        draw_all(driver)  # every table is open
        driver.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        wide = driver.execute_script("""
          return [...document.querySelectorAll("table")].filter((table) => table.offsetWidth > 0)
            .map((table) => [table.querySelector("caption").textContent, table.offsetWidth,
                             parseFloat(getComputedStyle(table).fontSize)]);""")
        assert len(wide) > 12
        assert [one for one in wide if one[1] > 720] == []
        assert all(font <= 8 for _, _, font in wide)
        assert errors(driver) == []


def test_a_sentence_in_place_of_bars_is_that_of_the_method_chosen(tmp_path):
    run = make_run(seeds=1, devices=2, methods=("full", "random", "importance"), ratios=(0.1, 0.5))
    seconds = run.records["device_time_s"]
    run.records["device_score_time_s"] = seconds.where(run.records["method"] == "importance", 0.0) / 10
    run.records["device_train_time_s"] = seconds - run.records["device_score_time_s"]
    shown = """return [...document.querySelectorAll("#time .sentence")].filter((one) => !one.hidden)
        .map((one) => one.textContent)"""
    with open_page(write_section(run, outline._time, tmp_path / "report.html"), tmp_path) as driver:
        draw_all(driver)
        assert [text for text in driver.execute_script(shown) if "random" in text] == []
        choose(driver, "#time select[data-choice=method]", "random")
        said = driver.execute_script(shown)
        assert said == ["Parts of the time, by profile, random, keep ratio 0.5: training: 100.0 % "
                        "for profile-0 and profile-1."]  # fmt: skip


NUMBERS = [0.0, 1.0, -1.0, 0.5, 0.125, 0.62250, 0.00625, 12.25, 1234.5, 1235.5, 999.96, 100.25, 0.015625, 1e-5,
           0.00009999996, 1.23456e-7, 1e9, 1.5e12, -0.0001, -1234567.891, 0.1 + 0.2, 1 / 3, 0.99995, 0.0]  # fmt: skip


def test_the_script_rounds_like_python(tmp_path):
    rng = np.random.default_rng(0)
    values = [*NUMBERS, *(rng.normal(size=300) * 10.0 ** rng.integers(-6, 6, size=300))]
    source = (Path(report.__file__).parent / "templates" / "format.js").read_text()
    code = jinja2.Template(source).render(unknown=formatting.UNKNOWN, most_plain=formatting.MOST_PLAIN)
    page = tmp_path / "format.html"
    page.write_text(f"<html data-ready=yes><script>{code}; window.writer = writer;</script></html>")
    with open_page(page, tmp_path) as driver:
        for name in ("PERCENT", "SPREAD", "POINTS", "NUMBER", "COUNT", "IDENTIFIER", "P_VALUE"):
            form = getattr(formatting, name)
            write = "return arguments[0].map(writer(arguments[1]))"
            written = driver.execute_script(write, values, form.settings)
            assert written == [form(value) for value in values], name


PICTURES = """
return [...document.querySelectorAll(".thumbnail img")].map((image) => {
  const box = image.getBoundingClientRect();
  return {alt: image.alt, method: image.closest("[data-method]").dataset.method, complete: image.complete,
          natural: [image.naturalWidth, image.naturalHeight], shown: [box.width, box.height], right: box.right,
          sharp: getComputedStyle(image).imageRendering};
});
"""


@pytest.fixture(scope="module")
def page_with_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from test_pictures import extremes, pictured

    methods = ("full", "random", "importance", "el2n")
    run = pictured(methods=methods, extremes=extremes(("importance", "el2n")))
    return write_section(run, kept_section, tmp_path_factory.mktemp("pictures") / "report.html")


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1400, False)])
def test_pictures_of_samples_are_shown_for_the_method_chosen(page_with_pictures, tmp_path, width, dark):
    with open_page(page_with_pictures, tmp_path, width, dark) as driver:
        draw_all(driver)
        found = driver.execute_script(PICTURES)
        assert len(found) == 12
        for image in found:
            assert image["complete"], image
            assert image["natural"] == [8, 8], image
            visible = image["method"] == "importance"
            assert all((side > 30) == visible for side in image["shown"]), image
            assert image["right"] <= width, image
            assert image["sharp"] == "pixelated"
        choose(driver, "#kept select", "el2n")
        shown = {image["method"] for image in driver.execute_script(PICTURES) if image["shown"][0] > 0}
        assert shown == {"el2n"}
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        assert errors(driver) == []


LINES = """
return [...document.querySelectorAll("figure[data-figure]")].map((root) => ({
  key: root.dataset.figure, lines: root.querySelectorAll(".scatterlayer .js-line").length,
  marks: root.querySelectorAll(".scatterlayer .point, .barlayer .point path").length,
  ticks: root.querySelectorAll(".xtick text").length, bars: root.querySelectorAll(".errorbar path").length}));
"""


@pytest.fixture(scope="module")
def page_of_one_ratio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_run(seeds=2, devices=3, methods=("full", "random", "importance", "el2n"), ratios=(0.5,))
    return report.write(run, tmp_path_factory.mktemp("one") / "report.html")


@pytest.mark.parametrize("width", [390, 1400])
def test_with_one_keep_ratio_there_are_points_and_bars(page_of_one_ratio, tmp_path, width):
    with open_page(page_of_one_ratio, tmp_path, width) as driver:
        draw_all(driver)
        found = {figure["key"]: figure for figure in driver.execute_script(LINES)}
        assert len(found) > 10
        for key, figure in found.items():
            assert key.startswith("curve-") or figure["lines"] == 0, figure
            assert figure["marks"] > 0 or key.startswith("curve-"), figure
            assert figure["ticks"] > 0, figure
        assert found["test-accuracy"]["marks"] == 4
        assert found["test-accuracy"]["bars"] == 4
        assert all(figure["right"] <= width for figure in driver.execute_script(FIGURES))
        assert errors(driver) == []


def test_a_single_trial_has_no_bar_of_length_zero(tmp_path):
    run = make_run(seeds=1, devices=1, methods=("full", "importance"), ratios=(0.5,))
    with open_page(report.write(run, tmp_path / "report.html"), tmp_path) as driver:
        draw_all(driver)
        found = {figure["key"]: figure for figure in driver.execute_script(LINES)}
        assert (found["test-accuracy"]["marks"], found["test-accuracy"]["bars"]) == (2, 0)
        assert errors(driver) == []


@pytest.mark.parametrize(
    "run",
    [
        make_run(methods=("full",)),
        make_run(methods=("random", "importance"), ratios=(0.5,)),
        make_run(ratios=(0.1, 0.5), status="running", trials={"ok": 12, "missing": 7}),
        FakeRun(empty("records"), empty("curves"), {"status": "running"}, {}),
        make_run().with_failures(),
        make_run().all_failed(),
    ],
    ids=["only full", "no full", "still going", "just begun", "some failures", "all failed"],
)
def test_odd_runs_open_without_a_complaint(tmp_path, run):
    with open_page(report.write(run, tmp_path / "report.html"), tmp_path, 390) as driver:
        draw_all(driver)
        for figure in driver.execute_script(FIGURES):
            assert figure["marks"] > 0, figure
            assert figure["right"] <= 390, figure
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
        assert errors(driver) == []


@pytest.fixture(scope="module")
def page_of_sixteen_methods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from test_pictures import pictured

    methods = [f"m{i}" for i in range(16)]
    run = pictured(methods=("full", *methods), extremes=empty("extremes"))
    kept = [(0, 0, method, 0.5, place + step) for place, method in enumerate(methods) for step in range(3)]
    run.selections = pd.DataFrame(kept, columns=["seed", "device", "method", "keep_ratio", "index"])
    return write_section(run, kept_section, tmp_path_factory.mktemp("sixteen") / "report.html")


@pytest.mark.parametrize("width", [390, 1400])
def test_squares_do_not_overlap(page_of_sixteen_methods, tmp_path, width):
    """Sixteen methods are 120 pairs: on a phone their squares are smaller."""
    with open_page(page_of_sixteen_methods, tmp_path, width) as driver:
        draw_all(driver)
        size, step = driver.execute_script("""
          const plot = document.getElementById("figure-overlap").querySelector(".plot");
          return [plot.data[0].marker.size, plot._fullLayout._size.w / 16];""")
        assert 4 <= size <= 13
        assert size < step
        assert (size < 13) == (width == 390)


def test_a_logarithmic_axis_has_ticks_whatever_is_chosen(tmp_path):
    """importance goes from 2 to 200 s, so ticks stand at 10 and 100; random alone from 12 to 18 s."""
    run = make_run(seeds=1, devices=2, methods=("random", "importance"), ratios=(0.5,))
    run.records["device_time_s"] = [12.0, 2.0, 18.0, 200.0]
    ticks = """return [...document.querySelectorAll("#figure-device-time .xtick text")]
        .map((tick) => tick.textContent)"""
    with open_page(write_section(run, devices_section, tmp_path / "report.html"), tmp_path) as driver:
        draw_all(driver)
        assert driver.execute_script(ticks) == ["10", "100"]
        choose(driver, "#devices select", "random")
        assert len(driver.execute_script(ticks)) >= 3


DEVICES = 1000


@pytest.fixture(scope="module")
def large_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """1,000 devices x 6 trials, written as a run writes them."""
    rng = np.random.default_rng(0)
    cells = [("full", 1.0), *((m, r) for m in ("random", "importance") for r in (0.3, 0.5)), ("el2n", 0.5)]
    shown = {"seed": 0, "device": 0, "samples": 200, "classes": 10}
    folder = RunFolder.create(
        tmp_path_factory.mktemp("large") / "run",
        "name: large\n",
        {**RUN_INFO, "scenario": "large", "seeds": [0], "shown": shown},
    )
    trials = [Trial(0, device, method, ratio) for device in range(DEVICES) for method, ratio in cells]
    for trial in trials:
        folder.append(large_result(trial, rng))
    with folder:
        return folder.finish(trials, {"trials": {"ok": len(trials)}})


def large_result(trial: Trial, rng: np.random.Generator) -> TrialResult:
    size = 200 + trial.device % 300
    seconds = (1 + trial.device % 7) * (trial.keep_ratio + 0.1 * (trial.method != "full")) * rng.uniform(0.9, 1.1)
    values = rng.uniform(0.2, 0.9, size=5)
    names = ("test_accuracy", "local_accuracy", "train_accuracy", "test_loss", "train_loss")
    record = Record(
        "large", *trial[:2], f"profile-{trial.device % 7}", *trial[2:], "ok", shard_size=size,
        subset_size=round(size * trial.keep_ratio), **dict(zip(names, values, strict=True)),
        score_flops=1e9 * seconds, train_flops=2e9 * seconds, total_flops=3e9 * seconds, selection_comparisons=size,
        steps=size, analytic_time_s=seconds, analytic_score_time_s=seconds / 10, analytic_train_time_s=0.9 * seconds,
        analytic_energy_j=5 * seconds, device_time_s=1.3 * seconds, device_score_time_s=seconds / 10,
        device_train_time_s=1.1 * seconds, device_startup_s=0.1 * seconds, device_energy_j=7 * seconds,
        storage_bytes=size * 784, peak_memory_bytes=50_000_000, cost_j=seconds / 9, host_wall_s=seconds / 100,
        host_score_wall_s=seconds / 200, host_train_wall_s=seconds / 200, device_throttled_s=seconds / 30,
        device_wait_s=seconds / 40,
    )  # fmt: skip
    curve = tuple(CurvePoint(epoch, 1 / epoch, *values[:1], 1 / epoch, values[1]) for epoch in (1, 2))
    told = trial.device == 0 and trial.method in ("importance", "el2n") and trial.keep_ratio == 0.5
    found = MethodOutputs(ranked=large_extremes(rng) if told else None)
    return TrialResult(record, curve, np.arange(record.subset_size), outputs=found)


def large_extremes(rng: np.random.Generator) -> RankedSamples:
    """Ten classes with four samples at each end, of noise in colours: nothing takes more bytes."""
    labels, ranks = np.repeat(np.arange(10), 8), np.tile([1, 2, 3, 4], 20)
    images = rng.integers(0, 256, size=(80, 32, 32, 3), dtype=np.uint8)
    most = np.tile(np.repeat([True, False], 4), 10)
    return RankedSamples(labels, most, ranks, np.ones(80, int), np.arange(80), rng.normal(size=80), images)


@pytest.fixture(scope="module")
def large_page(large_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.write(large_run, tmp_path_factory.mktemp("large-page") / "report.html")


def test_a_thousand_devices_stay_small_and_quick(large_run, large_page, tmp_path):
    """The limits are processor time of the page, which other programs of the machine do not lengthen."""
    assert len(large_run.records) == 6 * DEVICES
    assert large_page.stat().st_size < 4_600_000
    with open_page(large_page, tmp_path) as driver:
        opening_s = busy_s(driver)
        assert 0 < opening_s < 3  # from opening to a page that answers
        assert len(driver.execute_script(PICTURES)) >= 40  # two methods, ten classes, two ends
        element = table(driver, "Every trial")
        begin_s = busy_s(driver)
        element.find_element("css selector", "th button").click()
        element.find_element("css selector", "input").send_keys("importance 0.3")
        driver.execute_async_script("setTimeout(arguments[0], 200)")  # the filter's own timer comes before
        assert busy_s(driver) - begin_s < 3
        told = element.find_element("css selector", ".rows").text
        assert told.endswith(" of 6,000 rows")
        matching = large_run.records.query("method == 'importance' and keep_ratio == 0.3")
        assert len(matching) == DEVICES
        element.find_element("css selector", "button[aria-label^='Save']").click()
        saved = tmp_path / "trials.csv"
        wait_for(lambda: saved.exists() and saved.stat().st_size > 0)
        rows = pd.read_csv(saved)
        assert set(matching["device"]) <= set(rows["device"])
        assert set(rows["method"]) == {"importance"}
        assert len(rows) == int(told.split(" of ")[-2].split("–")[-1].replace(",", ""))
        draw_all(driver)
        assert all(figure["marks"] for figure in driver.execute_script(FIGURES))
        assert errors(driver) == []


def test_the_numbers_of_the_page_are_those_of_the_tables_on_disk(large_run, large_page):
    reader = Reader(large_page.read_text(encoding="utf-8"))
    stored = pd.read_parquet(large_run.path / "records.parquet")
    shown = reader.numbers("Every trial")
    for column in ("device", "test_accuracy", "analytic_time_s", "device_energy_j", "storage_bytes"):
        assert shown[column].tolist() == stored[column].tolist(), column
    means = stored.groupby(["method", "keep_ratio"])["test_accuracy"].mean()
    for _, row in reader.numbers("Every method and keep ratio").iterrows():
        assert row["test_accuracy"] == pytest.approx(means[row["method"], row["keep_ratio"]], abs=1e-12)
    assert len(means) == len(summary(stored)) == 6
