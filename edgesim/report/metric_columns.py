"""Columns of a report's tables whose label, format and meaning depend on the metric of the run's task."""

from __future__ import annotations

from edgesim.formatting import COUNT, IDENTIFIER, NUMBER, PERCENT, text
from edgesim.report.table_column import Column
from edgesim.tasks import ACCURACY, LabelWords, Metric, label_words


def set_columns(metric: Metric) -> dict[str, Column]:
    """Columns of a metric on each set: the test set, the device's own mix, its own test samples, its shard."""
    title, write = metric.title, metric.value_format
    return {
        metric.column("test"): Column(
            f"test {title}", write, f"{title} on the common test set after training, mean over trials{metric.direction}"
        ),
        metric.column("local"): Column(
            f"local {title}", write, f"test {title} weighted by the device's own {metric.groups} shares"
        ),
        metric.column("own"): Column(f"{title}, own test", write, f"{title} on the device's own test samples"),
        metric.column("train"): Column(f"shard {title}", write, f"{title} on the device's whole shard after training"),
        metric.column("subset"): Column(f"training {title}", write, "running mean over the samples of the epoch"),
    }


LOW, HIGH = "lower end of the 95 % interval of", "upper end of the 95 % interval of"


def metric_columns(metric: Metric) -> dict[str, Column]:
    """Columns that depend on the metric that decides, by their names in a run of a classification."""
    sets = set_columns(metric)
    renamed = {ACCURACY.column(of): sets[metric.column(of)] for of in ("test", "local", "own", "train", "subset")}
    return renamed | _values(metric) | _differences(metric) | _labels(label_words(metric))


def _values(metric: Metric) -> dict[str, Column]:
    """Columns of values, and of their deviations."""
    title, write, spread, groups = metric.title, metric.value_format, metric.spread_format, metric.groups
    mean = f"mean {title}" if metric is ACCURACY else f"mean of {title}"
    mean_test = f"mean test {title}" if metric is ACCURACY else f"mean of test {title}"
    of_devices = "devices' accuracies" if metric is ACCURACY else f"devices' values of {title}"
    worst = "lowest" if metric.higher_is_better else "highest"
    half = f"half the width of the 95 % interval of the {mean}, of each row by itself"
    own_half = f"half the width of the 95 % interval of the {mean} on own test samples, of each row by itself"
    repeats = f"trainings that the price has, scored once; one of them was done, and its {title} stands"
    by_data = f"{mean_test} with devices weighted by the samples that they hold (Eq. 10)"
    return {
        "accuracy_low": Column("95 % low", write, f"{LOW} the {mean}, by itself"),
        "accuracy_high": Column("95 % high", write, f"{HIGH} the {mean}, by itself"),
        "accuracy_half_width": Column("±\u00a095\u00a0%", spread, half),
        "own_half_width": Column("±\u00a095\u00a0%,\u00a0own", spread, own_half),
        "std_over_devices": Column("± devices", spread, "standard deviation of the devices' means over seeds"),
        "std_over_seeds": Column("± seeds", spread, "standard deviation of the seeds' means over devices"),
        "accuracy_by_data": Column(f"{title}, by data", write, by_data),
        "common_accuracy": Column(f"common {title}", write, f"{mean_test} of the common trials"),
        "opponent_accuracy": Column(f"its {title}", write, f"test {title} of the opponent at that cost"),
        "opponent_local_accuracy": Column(f"its local {title}", write, f"likewise on the device's own {groups} mix"),
        "opponent_own_accuracy": Column(f"its {title}, own test", write, "likewise on the device's own test samples"),
        "accuracy": Column(title, write, f"test {title} of the method, mean over the pairs"),
        "repeats": Column("trainings", COUNT, repeats),
        "mean_by_data": Column("mean, by data", write, "mean with devices weighted by the samples that they hold"),
        "mean": Column("mean", write, "mean over the devices"),
        "worst_tenth": Column("worst tenth", write, f"mean of the {worst} tenth of the devices, at least one"),
        "gini": Column("Gini", NUMBER, f"Gini coefficient of the {of_devices}: 0 = all equal"),
        "jain": Column("Jain", NUMBER, f"Jain's index of the {of_devices}: 1 = all equal"),
        "energy_per_point_j": Column("J per point", NUMBER, f"energy / (100 × {mean_test}) of the common devices"),
        "first_accuracy": Column("first run", write, f"{mean_test} of the first run over the pairs"),
        "this_accuracy": Column("this run", write, f"{mean_test} of the other run over the pairs"),
    }


def _differences(metric: Metric) -> dict[str, Column]:
    """Columns of differences of two values."""
    title, write, groups = metric.title, metric.difference_format, metric.groups
    points = f"{', in percentage points' if metric.is_share else ''}{metric.direction}"
    pp = f"{', in percentage points (pp)' if metric.is_share else ''}{metric.direction}"
    lead, ahead = "lead", f"{title} minus that of the runner-up"
    if not metric.higher_is_better:
        lead, ahead = "difference", f"{title} of the runner-up minus its own"
    at_cost = f"{title} minus that of random at the same total emulated energy, paired{metric.direction}"
    by_pair = "other run minus first run, by seed, device, method and ratio (or rule)"
    return {
        "gap_at_cost": Column("to random, equal cost", write, at_cost),
        "gap_at_cost_low": Column("95 % low", write, f"{LOW} that, of each row by itself"),
        "gap_at_cost_high": Column("95 % high", write, f"{HIGH} that, of each row by itself"),
        "local_gap": Column("gap, own mix", write, f"the gap to random on the device's own {groups} mix"),
        "own_gap": Column("gap, own test", write, "the gap to random on the device's own test samples"),
        "lead": Column(lead, write, f"{title} minus the opponent's at equal total cost, paired{points}"),
        "local_lead": Column(f"{lead}, own mix", write, f"likewise on the device's own {groups} mix"),
        "own_lead": Column(f"{lead}, own test", write, "likewise on the device's own test samples"),
        "gap": Column("gap to random", write, f"{title} minus that of random, paired{pp}"),
        "gap_low": Column("95 % low", write, f"{LOW} the gap, of each row by itself"),
        "gap_high": Column("95 % high", write, f"{HIGH} the gap, of each row by itself"),
        "accuracy_change": Column("change to full", write, f"{title} minus that of full, paired{points}"),
        "ahead": Column("lead", write, ahead),
        "difference": Column("difference", write, by_pair),
    }


def _labels(words: LabelWords) -> dict[str, Column]:
    """Columns on the classes of samples, or on the ranges of their targets."""
    one, many = words.one, words.many
    return {
        "label": Column(one, IDENTIFIER, f"{one} of the samples, as the data set numbers it"),
        "before": Column("before", COUNT, f"samples of the {one} on the device"),
        "after": Column("after", COUNT, f"samples of the {one} that are kept"),
        "share_before": Column("share before", PERCENT, f"share of the {one} before pruning"),
        "share_after": Column("share after", PERCENT, f"share of the {one} among what is kept"),
        "kept_share": Column("kept", PERCENT, f"share of the {one}'s samples that is kept"),
        "present": Column("held", COUNT, f"(seed, device) pairs that hold the {one}"),
        "vanished": Column("vanished", COUNT, f"(seed, device) pairs that hold the {one} and keep none of it"),
        "classes": Column(many, COUNT, f"{many} that the device holds"),
        "largest_share": Column(f"largest {one}", PERCENT, f"share of the device's most frequent {one}"),
        "skew": Column("skew", NUMBER, f"distance of the {one} shares from those of all devices: 0 = the same mix"),
        "class_name": Column(f"{one} name", text, f"{one} of the samples"),
        "tied": Column("ties", COUNT, f"samples of the {one} with equal score, this one included"),
        "most_important": Column("most important", text, f"samples of the {one} that are kept first: index (score)"),
        "least_important": Column("least important", text, f"samples of the {one} that are kept last: index (score)"),
    }
