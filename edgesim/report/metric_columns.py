"""Columns of a report's tables whose label, format and meaning depend on the metric of the run's task."""

from __future__ import annotations

from edgesim.formatting import NUMBER
from edgesim.report.table_column import Column
from edgesim.tasks import ACCURACY, Metric


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


def metric_columns(metric: Metric) -> dict[str, Column]:
    """Columns that depend on the metric that decides, by their names in a run of a classification."""
    title, differs, spread = metric.title, metric.difference_format, metric.spread_format
    mean = f"mean {title}" if metric is ACCURACY else f"mean of {title}"
    mean_test = f"mean test {title}" if metric is ACCURACY else f"mean of test {title}"
    lead = "lead" if metric.higher_is_better else "difference"
    pp, points = (", in percentage points (pp)", ", in percentage points") if metric.is_share else ("", "")
    pp, points = (f"{text}{metric.direction}" for text in (pp, points))
    of_devices = "devices' accuracies" if metric is ACCURACY else f"devices' values of {title}"
    ahead = f"{title} minus that of the runner-up"
    ahead = ahead if metric.higher_is_better else f"{title} of the runner-up minus its own"
    worst = "lowest" if metric.higher_is_better else "highest"
    sets = dict(zip(("test", "local", "own", "train", "subset"), set_columns(metric).values(), strict=True))
    low, high = "lower end of the 95 % interval of", "upper end of the 95 % interval of"
    return {
        **{ACCURACY.column(of): sets[of] for of in ("test", "local", "train", "subset")},
        "accuracy_low": Column("95 % low", metric.value_format, f"{low} the {mean}, by itself"),
        "accuracy_high": Column("95 % high", metric.value_format, f"{high} the {mean}, by itself"),
        "accuracy_half_width": Column(
            "±\u00a095\u00a0%", spread, f"half the width of the 95 % interval of the {mean}, of each row by itself"
        ),
        "std_over_devices": Column("± devices", spread, "standard deviation of the devices' means over seeds"),
        "std_over_seeds": Column("± seeds", spread, "standard deviation of the seeds' means over devices"),
        "accuracy_by_data": Column(
            f"{title}, by data",
            metric.value_format,
            f"{mean_test} with devices weighted by the samples that they hold (Eq. 10)",
        ),
        "gap_at_cost": Column(
            "to random, equal cost",
            differs,
            f"{title} minus that of random at the same total emulated energy, paired{metric.direction}",
        ),
        "gap_at_cost_low": Column("95 % low", differs, f"{low} that, of each row by itself"),
        "gap_at_cost_high": Column("95 % high", differs, f"{high} that, of each row by itself"),
        "common_accuracy": Column(f"common {title}", metric.value_format, f"{mean_test} of the common trials"),
        "opponent_accuracy": Column(f"its {title}", metric.value_format, f"test {title} of the opponent at that cost"),
        "opponent_local_accuracy": Column(
            f"its local {title}", metric.value_format, f"likewise on the device's own {metric.groups} mix"
        ),
        "accuracy": Column(title, metric.value_format, f"test {title} of the method, mean over the pairs"),
        "local_gap": Column("gap, own mix", differs, f"the gap to random on the device's own {metric.groups} mix"),
        "lead": Column(lead, differs, f"{title} minus the opponent's at equal total cost, paired{points}"),
        "local_lead": Column(f"{lead}, own mix", differs, f"likewise on the device's own {metric.groups} mix"),
        "mean_by_data": Column(
            "mean, by data", metric.value_format, "mean with devices weighted by the samples that they hold"
        ),
        "gap": Column("gap to random", differs, f"{title} minus that of random, paired{pp}"),
        "gap_low": Column("95 % low", differs, f"{low} the gap, of each row by itself"),
        "gap_high": Column("95 % high", differs, f"{high} the gap, of each row by itself"),
        "accuracy_change": Column("change to full", differs, f"{title} minus that of full, paired{points}"),
        "mean": Column("mean", metric.value_format, "mean over the devices"),
        "worst_tenth": Column(
            "worst tenth", metric.value_format, f"mean of the {worst} tenth of the devices, at least one"
        ),
        "gini": Column("Gini", NUMBER, f"Gini coefficient of the {of_devices}: 0 = all equal"),
        "jain": Column("Jain", NUMBER, f"Jain's index of the {of_devices}: 1 = all equal"),
        "ahead": Column("lead", differs, ahead),
        "energy_per_point_j": Column("J per point", NUMBER, f"energy / (100 × {mean_test}) of the common devices"),
        "first_accuracy": Column("first run", metric.value_format, f"{mean_test} of the first run over the pairs"),
        "own_accuracy": Column("this run", metric.value_format, f"{mean_test} of the other run over the pairs"),
        "difference": Column(
            "difference", differs, "other run minus first run, by seed, device, method and ratio (or rule)"
        ),
    }
