"""Writes the page of the study from results.csv: gaps to static random at equal total cost, and what follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from follows import follows, legend
from gaps import COUNTED, LABELS, against_random, cell, everywhere, mean_gap
from results import KEYS, MEAN, MOVING, RATIOS, current, read
from study.comparisons import COST, FEWER_EPOCHS, GAPS, Question
from study.running import MAIN
from study.wording import SHOWN, shards, side, text, wrapped

from edgesim.analysis.intervals import Interval

PLAIN: dict[str, object] = {"second": False, "optimizer": "adam", "label_noise": 0.0}
CHANGES: dict[str, dict[str, object]] = {
    "plain": {},
    "label noise 10 %": {"label_noise": 0.1},
    "SGD": {"optimizer": "sgd"},
    "second network": {"second": True},
}
CHANCE = 0.05


def write(folder: Path, points: Sequence[Any]) -> None:
    """Write README.md and details.md from results.csv."""
    results = read(folder)
    (folder / "README.md").write_text(page(results, points), encoding="utf-8")
    (folder / "details.md").write_text(details(results, points), encoding="utf-8")


def page(results: pd.DataFrame, points: Sequence[Any]) -> str:
    """The page as Markdown; rows of an older design are left out."""
    rows = current(results, points)
    if rows.empty:
        return (
            f"# Accuracy at equal total cost\n\nNo point of {len(points)} is finished. `make equal-cost` runs them.\n"
        )
    rows, partitions = _marked(rows, points), _partitions(points)
    plain = where(rows, PLAIN)
    lines = ["# Accuracy at equal total cost", "", *_about(rows, points), ""]
    lines += ["## What follows", "", *follows(plain), *_stays(_changed(rows, partitions)), ""]
    lines += [*_by_shards(plain), *_moving(plain), *_counted(plain)]
    return "\n".join(lines).rstrip() + "\n"


def details(results: pd.DataFrame, points: Sequence[Any]) -> str:
    """Two more tables: keep ratio by keep ratio, and label noise, optimiser and network."""
    lines = ["# Accuracy at equal total cost: details", ""]
    lines += wrapped("The first page of the study says what the numbers are, and names the methods.")
    rows = current(results, points)
    if not rows.empty:
        rows, partitions = _marked(rows, points), _partitions(points)
        lines += ["", *_by_price(where(rows, PLAIN)), *_factors(rows, partitions)]
    return "\n".join(lines).rstrip() + "\n"


def _marked(rows: pd.DataFrame, points: Sequence[Any]) -> pd.DataFrame:
    """The rows with a column `second`, true for another network than the first of a data set."""
    first = {point.data: point.model for point in reversed(points)}
    return rows.assign(second=rows["model"] != rows["data"].map(first))


def _partitions(points: Sequence[Any]) -> dict[str, int]:
    """Data set -> number of its partitions."""
    pairs = dict.fromkeys((point.data, point.partition) for point in points)
    return dict(Counter(data for data, _ in pairs))


def where(rows: pd.DataFrame, values: dict[str, object]) -> pd.DataFrame:
    """The rows with these values."""
    return rows[(rows[list(values)] == pd.Series(values)).all(axis=1)]


def _about(rows: pd.DataFrame, points: Sequence[Any]) -> list[str]:
    done = set(map(tuple, rows[[*KEYS, "design"]].drop_duplicates().to_numpy()))
    missing = [one for one in points if (*(getattr(one, key) for key in KEYS), one.design) not in done]
    plain = where(rows, PLAIN)
    devices, seeds = (int(rows[name].max()) for name in ("devices", "seeds"))
    sizes = "; ".join(_size(plain[plain["data"] == data], data) for data in SHOWN if (plain["data"] == data).any())
    lines = [
        *wrapped(
            "What does the price of a subset buy elsewhere? Every number is the accuracy of a method minus that of a "
            "static random subset of the same total emulated energy, scoring included, on the same device and seed, in "
            f"points. ± is half of its 95 % interval over {devices} devices and {seeds} seeds; **bold** leaves out 0. "
            "Devices are Raspberry Pi 5, train alone and weigh the same. *Own mix* weighs the classes of the common "
            "test set like the device's own data. α is the Dirichlet partition's; 0.1 is more skewed than 0.5. "
            "By user: a device has whole people. "
            f"Sizes are small: {sizes}."
        ),
        "",
        *wrapped(
            f"Finished: {len(points) - len(missing)} of {len(points)} points (data, partition, network, optimiser, "
            "label noise). `make equal-cost` runs them and resumes; [results.csv](results.csv) has every gap and its "
            "ends."
        ),
    ]
    return [*lines, *wrapped(f"Missing: {_listed(missing)}.")] if missing else lines


def _size(part: pd.DataFrame, data: str) -> str:
    """'digits 240 samples on a device, 10 epochs, full training reaches 94 % (iid), …'."""
    reached = part.drop_duplicates("partition").set_index("partition")["full_accuracy"]
    told = ", ".join(f"{100 * value:.0f} % ({shards(str(name))})" for name, value in reached.items())
    samples, epochs = f"{part['samples'].mean():.0f} samples on a device", f"{int(part['epochs'].iloc[0])} epochs"
    return f"{SHOWN[data]} {samples}, {epochs}, {part['model'].iloc[0]}, full training {told}"


def _listed(missing: Sequence[Any]) -> str:
    """The points by what they have in common but the partition."""
    groups: dict[str, list[str]] = {}
    for point in missing:
        what = f"{SHOWN[point.data]} {point.model} {point.optimizer} noise {100 * point.label_noise:g} %"
        what += "" if point.variant == MAIN else f", {point.variant}"
        groups.setdefault(what, []).append(shards(point.partition))
    return "; ".join(f"{what} ({', '.join(names)})" for what, names in groups.items())


def _table(labels: Sequence[str], rows: Iterable[tuple[Sequence[str], Sequence[Interval | None]]],
           methods: Iterable[str] = LABELS, called: dict[str, str] = LABELS) -> list[str]:  # fmt: skip
    """A Markdown table with a column per method."""
    names = [*labels, *(called[name] for name in methods)]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    lines += [f"| {' | '.join([*head, *map(text, gaps)])} |" for head, gaps in rows if any(gap for gap in gaps)]
    return [*lines, ""]


def _by_shards(plain: pd.DataFrame) -> list[str]:
    """Means over the keep ratios in every data set and partition, on both test distributions of skewed shards."""
    rows = []
    for (data, partition), part in plain.groupby(["data", "partition"], sort=False):
        for column in GAPS if partition != "iid" else GAPS[:1]:
            gaps = [mean_gap(cell(part, against_random(name), MEAN), column, len(LABELS)) for name in LABELS]
            own = ", own mix" if column == "local_gap" else ""
            rows.append(((SHOWN[str(data)], f"{shards(str(partition))}{own}"), gaps))
    order = list(SHOWN.values())
    rows.sort(key=lambda row: order.index(row[0][0]))
    there = everywhere(plain, LABELS)
    for column, view in zip(GAPS, ("common test set", "own mix"), strict=True):
        cells = [cell(plain, against_random(name), MEAN) if name in there else plain[:0] for name in LABELS]
        every = [mean_gap(own, column, len(LABELS)) for own in cells]
        rows.append((("**all**", view), every))
    return [
        "## All keep ratios together",
        "",
        *legend(),
        *wrapped(
            f"Mean over the method's keep ratios {', '.join(f'{ratio:g}' for ratio in RATIOS)}; "
            f"{plain['model'].iloc[0]}, Adam, clean labels. The {len(LABELS)} intervals of a row hold together."
        ),
        "",
        *_table(("data", "shards"), rows),
    ]


def _moving(plain: pd.DataFrame) -> list[str]:
    """The moving methods against fewer epochs: means over keep ratios and partitions."""
    rows = []
    for data, part in plain.groupby("data", sort=False):
        gaps = [mean_gap(cell(part, Question(name, FEWER_EPOCHS, COST), MEAN), "gap", len(MOVING)) for name in MOVING]
        rows.append(((SHOWN[str(data)],), gaps))
    return [
        "Against **fewer epochs** instead of random, mean over keep ratios and partitions, a row together:",
        "",
        *_table(("data",), rows, MOVING),
    ]


def _counted(plain: pd.DataFrame) -> list[str]:
    """The subset by losses of one epoch, which is thrown away, or counts as the first epoch of the training."""
    finished = [name for name in COUNTED if not cell(plain, against_random(name), MEAN).empty]
    if len(finished) < len(COUNTED):
        return []
    places = ["data", "partition"]
    ran = plain[plain["method"] == "stratified-counted"][places].drop_duplicates()
    rows = []
    for data, part in plain.merge(ran, on=places).groupby("data", sort=False):
        for column, view in zip(GAPS, ("common test set", "own mix"), strict=True):
            cells = [cell(part, against_random(name), MEAN) for name in COUNTED]
            rows.append(((SHOWN[str(data)], view), [mean_gap(own, column, len(COUNTED)) for own in cells]))
    return [
        *wrapped(
            "The first epoch, which gives the losses, is thrown away above. It may also **count** as the first epoch "
            "of the training, which then goes on with the subset of the largest losses, or with one that is even over "
            "the losses (*stratified*). Against static random, mean over keep ratios and partitions, a row together:"
        ),
        "",
        *_table(("data", "test set"), rows, COUNTED, COUNTED),
    ]


def _by_price(plain: pd.DataFrame) -> list[str]:
    """IID, one row per data set and keep ratio of random; each interval by itself."""
    iid = plain[plain["partition"] == "iid"]
    rows = []
    for data, part in iid.groupby("data", sort=False):
        for ratio in RATIOS:
            gaps = [_alone(cell(part, against_random(name), f"{ratio:g}")) for name in LABELS]
            rows.append(((SHOWN[str(data)], f"{ratio:g}"), gaps))
    cells = [gap for _, gaps in rows for gap in gaps if gap is not None and gap.is_known]
    shown = sum(side(gap) != 0 for gap in cells)
    dear = cell(iid, against_random("top-loss"), f"{RATIOS[0]:g}")["opponent_keep_ratio"].mean()
    return [
        "## Keep ratio by keep ratio, iid",
        "",
        *wrapped(
            f"Each interval by itself: {shown} of {len(cells)} leave out 0; about {CHANCE * len(cells):.0f} would by "
            f"chance. Scoring makes top loss at {RATIOS[0]:g} as dear as random at {dear:.2f}. results.csv has skewed "
            "shards."
        ),
        "",
        *_table(("data", "keep ratio"), rows),
    ]


def _alone(rows: pd.DataFrame) -> Interval | None:
    """A cell with its own interval."""
    if rows.empty or not rows["pairs"].iloc[0]:
        return None
    row = rows.iloc[0]
    return Interval(row["gap"], row["gap_low"], row["gap_high"], n=int(row["pairs"]))


def _changed(rows: pd.DataFrame, partitions: dict[str, int]) -> dict[str, dict[str, list[Interval | None]]]:
    """Data set -> change -> one gap per method: means over partitions and keep ratios on the common test set."""
    return {
        data: {
            change: _over_partitions(where(rows[rows["data"] == data], {**PLAIN, **values}), partitions[data])
            for change, values in CHANGES.items()
        }
        for data in SHOWN
        if data in partitions
    }


def _stays(changed: dict[str, dict[str, list[Interval | None]]]) -> list[str]:
    """How many of the sides that plain points show stay shown under each change, and which are turned."""
    stays, turned = [], []
    for change in (change for change, values in CHANGES.items() if values):
        pairs = [
            (f"{name} on {SHOWN[data]} with {change}", side(before), side(after))
            for data, gaps in changed.items()
            for name, before, after in zip(LABELS.values(), gaps["plain"], gaps[change], strict=True)
            if before is not None and after is not None and side(before)
        ]
        if pairs:
            stays.append(f"{change} {sum(before == after for _, before, after in pairs)} of {len(pairs)}")
        turned += [name for name, before, after in pairs if before == -after]
    if not stays:
        return []
    return [
        f"- **Another network, optimiser or noise** ([details](details.md)): leads and lags of a data set that stay "
        f"shown: {', '.join(stays)}. Signs that a change turns: {'; '.join(turned) or 'none'}."
    ]


def _factors(rows: pd.DataFrame, partitions: dict[str, int]) -> list[str]:
    """Label noise, SGD and a second network beside the plain points."""
    changed = _changed(rows, partitions)
    table = [((SHOWN[data], change), own) for data, gaps in changed.items() for change, own in gaps.items()]
    networks = rows[rows["second"]].groupby("model", sort=False)["data"].unique()
    seconds = "; ".join(f"{model} on {', '.join(SHOWN[one] for one in data)}" for model, data in networks.items())
    return [
        "## Label noise, optimiser, network",
        "",
        *wrapped(
            "Common test set, mean over keep ratios and partitions; the intervals of a row hold together. Second "
            f"network: {seconds or 'not finished'} (linear: softmax regression, as convolutions on CIFAR-10 take too "
            "long here). A dash: not run, or not finished at every partition."
        ),
        *_crossed(rows, partitions),
        "",
        *_table(("data", "change"), table),
    ]


def _over_partitions(part: pd.DataFrame, partitions: int) -> list[Interval | None]:
    """One gap per method, where all partitions are finished."""
    cells = [cell(part, against_random(name), MEAN) for name in LABELS]
    return [mean_gap(own, "gap", len(LABELS)) if own["partition"].nunique() == partitions else None for own in cells]


def _crossed(rows: pd.DataFrame, partitions: dict[str, int]) -> list[str]:
    """Digits with all factors crossed: in how many combinations a method is shown ahead and behind."""
    found = [
        gaps
        for _, part in rows[rows["data"] == "digits"].groupby(["model", "optimizer", "label_noise"], sort=False)
        if any(gaps := _over_partitions(part, partitions["digits"]))
    ]
    if len(found) <= len(CHANGES):
        return []
    counts = []
    for name, gaps in zip(LABELS.values(), zip(*found, strict=True), strict=True):
        there = [gap for gap in gaps if gap]
        fewer = f" (of {len(there)})" if len(there) < len(found) else ""
        counts.append(f"{name} {sum(side(gap) > 0 for gap in there)}/{sum(side(gap) < 0 for gap in there)}{fewer}")
    return wrapped(f"Digits with all factors crossed, {len(found)} combinations, ahead/behind: {', '.join(counts)}.")
