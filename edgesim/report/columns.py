"""Columns of a report's tables: label, number format and meaning of each."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import pandas as pd

from edgesim.formatting import COUNT, IDENTIFIER, NUMBER, P_VALUE, PERCENT, POINTS, SIGNED, text
from edgesim.report.metric_columns import metric_columns, set_columns
from edgesim.report.table_column import Column
from edgesim.tasks import ACCURACY, METRICS, Metric

_MEASURED = metric_columns(ACCURACY)
COLUMNS: dict[str, Column] = {
    "method": Column("method", text, "how the subset is chosen; full keeps everything"),
    "keep_ratio": Column(
        "keep ratio", NUMBER, "share of a device's own samples that is kept, in (0, 1]; the mean where a rule chose it"
    ),
    "profile": Column("profile", text, "hardware profile of a device"),
    "power_mode": Column("power mode", text, "named mode of a device, or its clocks; by seed where these differ"),
    "trials": Column("trials", COUNT, "trials (seed × device) that ended well and are in the row's means"),
    "pairs": Column("pairs", COUNT, "(seed, device) pairs behind the row"),
    "devices": Column("devices", COUNT, "devices with at least one trial that ended well"),
    "test_accuracy": _MEASURED["test_accuracy"],
    "accuracy_low": _MEASURED["accuracy_low"],
    "accuracy_high": _MEASURED["accuracy_high"],
    "accuracy_half_width": _MEASURED["accuracy_half_width"],
    "own_accuracy": _MEASURED["own_accuracy"],
    "own_half_width": _MEASURED["own_half_width"],
    "std_over_devices": _MEASURED["std_over_devices"],
    "std_over_seeds": _MEASURED["std_over_seeds"],
    "local_accuracy": _MEASURED["local_accuracy"],
    "accuracy_by_data": _MEASURED["accuracy_by_data"],
    "device_time_saved": Column(
        "time saved",
        PERCENT,
        "emulated time saved against full on the same seeds and devices, scoring included",
    ),
    "device_energy_saved": Column("energy saved", PERCENT, "emulated energy saved, likewise"),
    "startup_share": Column("start-up share", PERCENT, "start-up's share of the emulated time"),
    "scoring_share": Column("scoring share", PERCENT, "scoring's share of the emulated time"),
    "random_keeps": Column("random keeps", NUMBER, "keep ratio of random at the same total emulated energy"),
    "gap_at_cost": _MEASURED["gap_at_cost"],
    "gap_at_cost_low": _MEASURED["gap_at_cost_low"],
    "gap_at_cost_high": _MEASURED["gap_at_cost_high"],
    "time_saved": Column(
        "time saved, closed form",
        PERCENT,
        "by the edge paper's closed form, which leaves out start-up, dispatch, memory traffic, reading and heat",
    ),
    "energy_saved": Column("energy saved, closed form", PERCENT, "energy saved by the closed form, likewise"),
    "common_trials": Column("common trials", COUNT, "trials of the pairs that finish every method and keep ratio"),
    "common_accuracy": _MEASURED["common_accuracy"],
    "common_own_accuracy": _MEASURED["common_own_accuracy"],
    "opponent": Column("opponent", text, "baseline that spends the same total cost"),
    "opponent_keep_ratio": Column("opponent keeps", NUMBER, "keep ratio of the opponent at equal cost"),
    "score_j": Column("scoring (J)", NUMBER, "mean emulated energy of scoring, paid once for all trainings"),
    "train_j": Column("a training (J)", NUMBER, "mean emulated energy of one training, start-up included"),
    "opponent_train_j": Column(
        "its training (J)", NUMBER, "the opponent's cheapest training that is as accurate in the mean"
    ),
    "repeats_to_break_even": Column(
        "break-even",
        text,
        "trainings on the same kept set after which scoring has paid for itself against full training, by energy",
    ),
    "opponent_accuracy": _MEASURED["opponent_accuracy"],
    "opponent_local_accuracy": _MEASURED["opponent_local_accuracy"],
    "opponent_own_accuracy": _MEASURED["opponent_own_accuracy"],
    "accuracy": _MEASURED["accuracy"],
    "energy_each_j": Column("energy (J)", NUMBER, "mean emulated energy of the pairs' trials"),
    "time_each_s": Column("time (s)", NUMBER, "mean emulated time of the pairs' trials"),
    "unpaired": Column("unpaired", COUNT, "trials that cost less than the opponent's cheapest"),
    "local_gap": _MEASURED["local_gap"],
    "own_gap": _MEASURED["own_gap"],
    "lead": _MEASURED["lead"],
    "local_lead": _MEASURED["local_lead"],
    "own_lead": _MEASURED["own_lead"],
    "tests": Column("tested at once", COUNT, "intervals that decide together; each has the level 1 - 0.05 / tests"),
    "base_keep_ratio": Column("partner keeps", NUMBER, "mean keep ratio of the partner's trials"),
    "left_out": Column("left out", COUNT, "trials of the cell on pairs that do not finish at every keep ratio"),
    "finish_all_s": Column("all done, any device (s)", NUMBER, "all done (s), over all devices that finish this cell"),
    "left_out_devices": Column("devices left out", COUNT, "devices that finish this cell and not every other one"),
    "mean_by_data": _MEASURED["mean_by_data"],
    "device_startup_s": Column(
        "start-up, emulated (s)", NUMBER, "emulated time of starting the process, once per training"
    ),
    "failed": Column("failed", COUNT, "trials that failed, for example because the loss was not finite"),
    "infeasible": Column("infeasible", COUNT, "trials that the device cannot do, for example for lack of memory"),
    "gap": _MEASURED["gap"],
    "gap_low": _MEASURED["gap_low"],
    "gap_high": _MEASURED["gap_high"],
    "analytic_time_s": Column("time, analytic (s)", NUMBER, "closed-form time on the device: scoring + training"),
    "analytic_energy_j": Column("energy, analytic (J)", NUMBER, "closed-form energy on the device"),
    "device_time_s": Column("time, emulated (s)", NUMBER, "time on the device, emulated step by step"),
    "device_energy_j": Column("energy, emulated (J)", NUMBER, "energy on the device, emulated step by step"),
    "host_wall_s": Column("time, this host (s)", NUMBER, "measured on the simulating machine; no device's time"),
    "time": Column("which time", text, "column of records.parquet that the line was fitted to"),
    "slope_s": Column("slope (s per 1.0)", NUMBER, "seconds that the time grows from keep ratio 0 to 1"),
    "intercept_s": Column("intercept (s)", NUMBER, "seconds of the fitted line at keep ratio 0"),
    "r2": Column("R²", NUMBER, "share of the time's variance that the line explains"),
    "epoch": Column("epoch", COUNT, "epochs of training so far"),
    "subset_loss": Column("training loss", NUMBER, "running mean over the samples of the epoch"),
    "subset_accuracy": _MEASURED["subset_accuracy"],
    "panel": Column("samples and network", text, "samples that are embedded, and network that embeds them"),
    "measure": Column("measure", text, "of the classes in the embedding, scaled to a mean squared norm of 1"),
    "change": Column("change", PERCENT, "against all samples and the network of all, mean of the seeds' changes"),
    "change_low": Column("95 % low", PERCENT, "lower end of the 95 % interval of: change"),
    "change_high": Column("95 % high", PERCENT, "upper end of the 95 % interval of: change"),
    "silhouette_change": Column("change (difference)", SIGNED, "minus that of all samples and the network of all"),
    "transfer_test_accuracy": Column("accuracy, transfer", PERCENT, "on the test set of the other data set"),
    "transfer_local_accuracy": Column("accuracy, transfer, own mix", PERCENT, "likewise, by the device's class shares"),
    "transfer_low": Column("95 % low", PERCENT, "lower end of the 95 % interval of: accuracy, transfer"),
    "transfer_high": Column("95 % high", PERCENT, "upper end of the 95 % interval of: accuracy, transfer"),
    "transfer_gap": Column("minus full", POINTS, "accuracy, transfer, minus that after full training, paired"),
    "transfer_gap_low": Column("95 % low", POINTS, "lower end of the 95 % interval of: minus full"),
    "transfer_gap_high": Column("95 % high", POINTS, "upper end of the 95 % interval of: minus full"),
    "transfer_device_time_s": Column("fine-tuning (s)", NUMBER, "emulated time of the fine-tuning, with start-up"),
    "transfer_device_energy_j": Column("fine-tuning (J)", NUMBER, "emulated energy of the fine-tuning"),
    "test_loss": Column("test loss", NUMBER, "mean loss on the common test set"),
    "limit": Column(
        "limit",
        text,
        "cause of infeasibility: memory, storage, energy or availability of the device, or the budget",
    ),
    "status": Column("status", text, "failed: it broke off; infeasible: its device cannot do it"),
    "reason": Column("reason", text, "reason why a trial did not end well, or got its keep ratio and power mode"),
    "failures": Column("trials concerned", COUNT, "trials with this status, reason and method"),
    "keep_ratios": Column("keep ratios", text, "keep ratios of the trials concerned"),
    "device_list": Column("devices concerned", text, "indices of the devices concerned"),
    "seed_list": Column("seeds concerned", text, "seeds of the trials concerned"),
    "scenario": Column("scenario", text, "name of the scenario"),
    "seed": Column("seed", IDENTIFIER, "seed of the trial"),
    "seeds": Column("seeds", COUNT, "seeds with a trial that ended well"),
    "device": Column("device", IDENTIFIER, "index of the device in the fleet"),
    "shard_size": Column("samples held", COUNT, "samples that the device holds"),
    "subset_size": Column("samples kept", COUNT, "samples kept for training; all of them for a dynamic method"),
    "dynamic": Column("dynamic", text, "true: the method chose while it trained and kept no subset"),
    "train_accuracy": _MEASURED["train_accuracy"],
    "train_loss": Column("shard loss", NUMBER, "mean loss on the device's whole shard after training"),
    "score_flops": Column("scoring (FLOP)", NUMBER, "counted work of scoring, multiply-add = 2"),
    "train_flops": Column("training (FLOP)", NUMBER, "counted work of all trainings, forward + backward"),
    "total_flops": Column("work (FLOP)", NUMBER, "scoring + training"),
    "selection_comparisons": Column("comparisons", COUNT, "comparisons of the selection"),
    "steps": Column("steps", COUNT, "optimiser steps of all trainings"),
    "repeats": _MEASURED["repeats"],
    "analytic_score_time_s": Column("scoring, analytic (s)", NUMBER, "closed-form time of scoring"),
    "analytic_train_time_s": Column("training, analytic (s)", NUMBER, "closed-form time of training"),
    "device_startup_energy_j": Column("start-up energy (J)", NUMBER, "of the emulated energy: starting the process"),
    "device_score_energy_j": Column("scoring energy (J)", NUMBER, "of the emulated energy: scoring and selection"),
    "device_score_time_s": Column("scoring, emulated (s)", NUMBER, "emulated time of scoring"),
    "device_train_time_s": Column("training, emulated (s)", NUMBER, "emulated time of training"),
    "device_work_energy_j": Column("work, emulated (J)", NUMBER, "emulated energy of scoring and training"),
    "device_wait_s": Column("waiting, emulated (s)", NUMBER, "time without computing: reading, or unavailable"),
    "device_throttled_s": Column("throttled, emulated (s)", NUMBER, "seconds at reduced speed because of heat"),
    "notes": Column("notes", text, "notes of the method, as JSON"),
    "storage_bytes": Column("storage (B)", NUMBER, "bytes of the kept samples"),
    "upload_bytes": Column(
        "upload (B)",
        NUMBER,
        "bytes of an upload of the kept data; the whole shard for a dynamic method",
    ),
    "upload_s": Column("upload (s)", NUMBER, "seconds of the upload by the profile's link; not in the price"),
    "peak_memory_bytes": Column("peak memory (B)", NUMBER, "tensors of a training step, and a GPU's context"),
    "cost_j": Column("cost J (no unit)", NUMBER, "edge paper, Eq. 13: weighted time, energy and storage"),
    "host_score_wall_s": Column("scoring, this host (s)", NUMBER, "measured on the simulating machine"),
    "host_train_wall_s": Column("training, this host (s)", NUMBER, "measured on the simulating machine"),
    "host_stack_size": Column(
        "trained together", COUNT, "trainings of small networks that shared their steps; 0 = trained alone"
    ),
    "accuracy_change": _MEASURED["accuracy_change"],
    "cost": Column("cost", NUMBER, "mean of one device, in the unit of the figure"),
    "on_front": Column("not beaten", text, "no other point is both cheaper and more accurate"),
    "finish_s": Column("all done (s)", NUMBER, "emulated time until the last device is done, mean over seeds"),
    "median_s": Column("half done (s)", NUMBER, "emulated time of the median device"),
    "share_of_seeds": Column("last in seeds", PERCENT, "share of the seeds in which this device finishes last"),
    "wait_s": Column("waiting (s)", NUMBER, "waiting for others, or for storage, in seconds"),
    "wait_share": Column("waiting share", PERCENT, "waiting as a share of devices × time until all are done"),
    "idle_energy_j": Column("idle energy (J)", NUMBER, "energy of the waiting at the devices' idle power"),
    "idle_energy_share": Column("idle energy share", PERCENT, "its share of training energy + idle energy"),
    "mean": _MEASURED["mean"],
    "worst_tenth": _MEASURED["worst_tenth"],
    "gini": _MEASURED["gini"],
    "jain": _MEASURED["jain"],
    "runner_up": Column("runner-up", text, "second most accurate method"),
    "ahead": _MEASURED["ahead"],
    "of": Column("devices compared", COUNT, "devices that were compared"),
    "needed_memory_bytes": Column("memory needed (B)", NUMBER, "largest peak of the device's trials"),
    "memory_bytes": Column("memory (B)", NUMBER, "capacity of the device"),
    "usable_memory_bytes": Column("memory for training (B)", NUMBER, "limit of a trial; the system keeps the rest"),
    "memory_share": Column(
        "memory used", PERCENT, "needed / capacity; above 80 % infeasible: the system keeps a fifth"
    ),
    "needed_storage_bytes": Column("storage needed (B)", NUMBER, "all samples of the device, before pruning"),
    "storage_capacity_bytes": Column("storage there (B)", NUMBER, "capacity of the device"),
    "storage_share": Column("storage used", PERCENT, "needed / capacity; infeasible above 100 %"),
    "methods": Column("methods", text, "methods of the trials concerned"),
    "label": _MEASURED["label"],
    "before": _MEASURED["before"],
    "after": _MEASURED["after"],
    "share_before": _MEASURED["share_before"],
    "share_after": _MEASURED["share_after"],
    "kept_share": _MEASURED["kept_share"],
    "present": _MEASURED["present"],
    "vanished": _MEASURED["vanished"],
    "samples": Column("samples", COUNT, "samples counted"),
    "classes": _MEASURED["classes"],
    "largest_share": _MEASURED["largest_share"],
    "skew": _MEASURED["skew"],
    "users": Column("users", text, "users whose samples the device holds; by seed where these differ"),
    "feature_shift": Column(
        "feature shift", NUMBER, "distance of the channel means from those of all devices, in standard deviations"
    ),
    "time_factor": Column("time factor", NUMBER, "emulated / analytic time"),
    "energy_factor": Column("energy factor", NUMBER, "emulated / analytic energy"),
    "analytic_relative": Column("training, analytic", PERCENT, "closed-form training time / that of full"),
    "device_relative": Column("training, emulated", PERCENT, "emulated training time / that of full"),
    "host_relative": Column("training, this host", PERCENT, "measured training time / that of full"),
    "analytic_error": Column(
        "error, analytic", POINTS, "closed-form training time / that of full, minus the same measured on this host"
    ),
    "device_error": Column(
        "error, emulated", POINTS, "emulated training time / that of full, minus the same measured on this host"
    ),
    "gap_s": Column("gap (s)", NUMBER, "emulated minus analytic time, mean over the device's trials"),
    "rate_s": Column("rate (s)", NUMBER, "of the gap: arithmetic and memory traffic at another rate than φ"),
    "steps_s": Column("steps (s)", NUMBER, "of the gap: overhead of every step"),
    "partial_s": Column("partial batches (s)", NUMBER, "of the steps: those that partial batches add"),
    "score_s": Column("scoring (s)", NUMBER, "of the gap: scoring and selection"),
    "throttled_s": Column("heat (s)", NUMBER, "of the gap: throttling"),
    "rest_s": Column("rest (s)", NUMBER, "of the gap: all other causes"),
    "step_overhead_s": Column("per step (s)", NUMBER, "overhead of one step, fitted"),
    "method_a": Column("method", text, "first of two methods"),
    "method_b": Column("other method", text, "second of two methods"),
    "class_name": _MEASURED["class_name"],
    "lambda": Column("λ", NUMBER, "weight of cost against risk in Eq. 14"),
    "weights": Column("device weights", text, "weights of the devices' risks: data = by samples, equal = all 1"),
    "least": Column("least", NUMBER, "smallest over the devices"),
    "median": Column("median", NUMBER, "median over the devices"),
    "most": Column("most", NUMBER, "largest over the devices"),
    "statement": Column("claim", text, "claim of the paper, with the threshold of the test"),
    "verdict": Column("verdict", text, "holds or does not hold where the interval lies on one side; else cannot tell"),
    "found": Column("found", text, "estimate with its 95 % interval, simultaneous over the claims"),
    "against": Column("against", text, "the threshold"),
    "p": Column("p (alone)", P_VALUE, "two-sided p-value of this row alone; it decides nothing"),
    "p_adjusted": Column("p (corrected)", P_VALUE, "two-sided p-value, corrected for all rows tested (Bonferroni)"),
    "n": Column("n", COUNT, "trials or pairs behind it"),
    "jaccard": Column("overlap", PERCENT, "shared samples / samples in either subset (Jaccard)"),
    "chance": Column("by chance", PERCENT, "overlap of two random subsets of that size"),
    "bin_low": Column("from", NUMBER, "lower end of the step"),
    "bin_high": Column("to", NUMBER, "upper end of the step"),
    "share": Column("share", PERCENT, "share of the samples"),
    "variance_share": Column("share of the variance", PERCENT, "between points, which the key explains by itself"),
    "points": Column("points", COUNT, "points of the sweep behind the row"),
    "score": Column("score", NUMBER, "larger is kept first"),
    "end": Column("end", text, "most: kept first; least: kept last"),
    "rank": Column("rank", COUNT, "place from that end"),
    "index": Column("sample", IDENTIFIER, "index into the training set"),
    "tied": _MEASURED["tied"],
    "kept_at": Column("kept at", text, "keep ratios at which the sample is in the subset"),
    "most_important": _MEASURED["most_important"],
    "least_important": _MEASURED["least_important"],
    "quantity": Column("quantity", text, "quantity that the row is about"),
    "value": Column("value", NUMBER, "mean over devices and seeds"),
    "low": Column("95 % low", NUMBER, "lower end of the 95 % interval; simultaneous for claims"),
    "high": Column("95 % high", NUMBER, "upper end of the 95 % interval; simultaneous for claims"),
    "fleet": Column("fleet", text, "fleet that the training is priced on"),
    "infeasible_devices": Column("infeasible devices", COUNT, "devices with an infeasible trial"),
    "failed_devices": Column("devices without result", COUNT, "devices with a trial that has no result in the run"),
    "finish_low_s": Column("95 % low", NUMBER, "lower end of the 95 % interval over seeds of: all done (s)"),
    "finish_high_s": Column("95 % high", NUMBER, "upper end of the 95 % interval over seeds of: all done (s)"),
    "energy_j": Column("energy, fleet (J)", NUMBER, "emulated, sum over the devices, mean over seeds"),
    "energy_per_point_j": _MEASURED["energy_per_point_j"],
    "closed_j": Column("energy, closed form (J)", NUMBER, "mean energy of the pairs' trials by the closed form"),
    "common_devices": Column("common devices", COUNT, "devices that finish everything on every fleet"),
    "common_finish_s": Column("all done, common (s)", NUMBER, "time of the slowest common device, mean over seeds"),
    "common_energy_j": Column("energy, common (J)", NUMBER, "sum over the common devices, mean over seeds"),
    "run": Column("run", text, "run; in paired tables the one compared with the first run"),
    "first_accuracy": _MEASURED["first_accuracy"],
    "this_accuracy": _MEASURED["this_accuracy"],
    "difference": _MEASURED["difference"],
    "evidence": Column("evidence", text, "higher or lower where the interval excludes 0; none: not decided"),
    "first_cost": Column("first run", NUMBER, "mean of the first run over the pairs"),
    "this_cost": Column("this run", NUMBER, "mean of the other run over the pairs"),
    "cost_difference": Column("difference", NUMBER, "other run minus first run, mean over the pairs"),
    "path": Column("setting", text, "place in the scenario"),
    "first_setting": Column("first run", text, "value in the first run; - for none"),
    "this_setting": Column("this run", text, "value in the other run; - for none"),
    "on_common_front": Column("not beaten by any run", text, "no point of any run is both cheaper and more accurate"),
}

"""of a classification (`columns_of`)"""
ENDS = {"_low": ("95 % low", "lower"), "_high": ("95 % high", "upper")}
"""suffixes of columns that are an end of an interval"""
SIMULTANEOUS = ("difference",)
"""labels of quantities with simultaneous intervals: differences of compared runs"""


@functools.cache
def columns_of(metric: Metric) -> dict[str, Column]:
    """Columns of the page of a run, by name.

    Args:
        metric: the metric that decides in the run.
    """
    measured = metric_columns(metric)
    found = {metric.named(name): measured.get(name, column) for name, column in COLUMNS.items()}
    for other in METRICS.values():
        found |= {name: column for name, column in set_columns(other).items() if name not in found}
    return found


def column(name: str, values: pd.Series, columns: Mapping[str, Column] = COLUMNS) -> Column:
    """Column called `name`; one that is not in `columns` has its name as label."""
    if name in columns:
        return columns[name]
    for ending, (label, word) in ENDS.items():
        of = columns.get(name.removesuffix(ending))
        if name.endswith(ending) and of is not None:
            level = "simultaneous over all rows" if of.label in SIMULTANEOUS else "of each row by itself"
            return Column(label, of.write, f"{word} end of the 95 % interval of: {of.label}; {level}")
    return Column(name, NUMBER if pd.api.types.is_numeric_dtype(values.dtype) else text, "")
