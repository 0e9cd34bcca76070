"""What every column of a report is called, how its values are written and what it means."""

from __future__ import annotations

import pandas as pd

from edgesim.report.column_formats import (
    Column,
    count,
    gap,
    p_value,
    percent,
    plain_count,
    quantity,
    ratio,
    spread,
    text,
)

COLUMNS: dict[str, Column] = {
    "method": Column("method", text, "how the subset is chosen; full keeps everything"),
    "keep_ratio": Column(
        "keep ratio", ratio, "share of a device's own samples that is kept, in (0, 1]; the mean where a rule chose"
    ),
    "profile": Column("profile", text, "what hardware a device is"),
    "trials": Column("trials", count, "trials (seed × device) that ended well and are in the row's means"),
    "pairs": Column("pairs", count, "(seed, device) pairs behind the row"),
    "devices": Column("devices", count, "devices with at least one trial that ended well"),
    "test_accuracy": Column(
        "test accuracy", percent, "accuracy on the common test set after training, mean over trials"
    ),
    "accuracy_low": Column("95 % low", percent, "lower end of the 95 % interval of the mean accuracy, by itself"),
    "accuracy_high": Column("95 % high", percent, "upper end of the 95 % interval of the mean accuracy, by itself"),
    "accuracy_half_width": Column(
        "±\u00a095\u00a0%", spread, "half the width of the 95 % interval of the mean accuracy, of each row by itself"
    ),
    "std_over_devices": Column("± devices", spread, "standard deviation of the devices' means over seeds"),
    "std_over_seeds": Column("± seeds", spread, "standard deviation of the seeds' means over devices"),
    "local_accuracy": Column("local accuracy", percent, "test accuracy weighted by the device's own class shares"),
    "accuracy_by_data": Column(
        "accuracy, by data", percent, "mean test accuracy with devices weighted by the samples that they hold (Eq. 10)"
    ),
    "device_time_saved": Column(
        "time saved", percent, "emulated time saved against full on the same seeds and devices, start-up and scoring in"
    ),
    "device_energy_saved": Column("energy saved", percent, "the same for emulated energy"),
    "startup_share": Column("start-up share", percent, "start-up's share of the emulated time"),
    "scoring_share": Column("scoring share", percent, "scoring's share of the emulated time"),
    "random_keeps": Column("random keeps", ratio, "keep ratio of random at the same total emulated energy"),
    "gap_at_cost": Column(
        "to random, equal cost", gap, "accuracy minus that of random at the same total emulated energy, paired"
    ),
    "gap_at_cost_low": Column("95 % low", gap, "lower end of the 95 % interval of that, of each row by itself"),
    "gap_at_cost_high": Column("95 % high", gap, "upper end of the 95 % interval of that, of each row by itself"),
    "time_saved": Column(
        "time saved, closed form",
        percent,
        "by the edge paper's closed form, which leaves out start-up, dispatch, memory traffic, reading and heat",
    ),
    "energy_saved": Column("energy saved, closed form", percent, "the same for energy"),
    "common_trials": Column("common trials", count, "trials of the pairs that finish every method and keep ratio"),
    "common_accuracy": Column("common accuracy", percent, "mean test accuracy of those"),
    "opponent": Column("opponent", text, "baseline that spends the same total cost"),
    "opponent_keep_ratio": Column("it keeps", ratio, "keep ratio of the opponent at that cost: its share of the work"),
    "score_j": Column("scoring (J)", quantity, "mean emulated energy of scoring, paid once for all trainings"),
    "train_j": Column("a training (J)", quantity, "mean emulated energy of one training, start-up included"),
    "opponent_train_j": Column(
        "its training (J)", quantity, "the opponent's cheapest training that is as accurate in the mean"
    ),
    "repeats_to_break_even": Column(
        "break-even",
        text,
        "trainings on the same kept set after which scoring has paid for itself against full training, by energy",
    ),
    "opponent_accuracy": Column("its accuracy", percent, "test accuracy of the opponent at that cost"),
    "opponent_local_accuracy": Column("its local accuracy", percent, "the same on the device's own class mix"),
    "accuracy": Column("accuracy", percent, "test accuracy of the method, mean over the pairs"),
    "energy_each_j": Column("energy (J)", quantity, "mean emulated energy of the pairs' trials"),
    "time_each_s": Column("time (s)", quantity, "mean emulated time of the pairs' trials"),
    "unpaired": Column("unpaired", count, "trials that cost less than the opponent's cheapest"),
    "local_gap": Column("gap, own mix", gap, "the gap to random on the device's own class mix"),
    "lead": Column("lead", gap, "accuracy minus the opponent's at equal total cost, paired, in percentage points"),
    "local_lead": Column("lead, own mix", gap, "the same on the device's own class mix"),
    "tests": Column("tested at once", count, "intervals that are read together; each has the level 1 - 0.05 / tests"),
    "base_keep_ratio": Column("partner keeps", ratio, "mean keep ratio of the partner's trials"),
    "left_out": Column("left out", count, "trials of the cell on pairs that do not finish at every keep ratio"),
    "finish_all_s": Column("all done, any device (s)", quantity, "the same over all devices that finish this cell"),
    "left_out_devices": Column("devices left out", count, "devices that finish this cell and not every other one"),
    "mean_by_data": Column("mean, by data", percent, "mean with devices weighted by the samples that they hold"),
    "device_startup_s": Column(
        "start-up, emulated (s)", quantity, "emulated time of starting the process, once per training"
    ),
    "failed": Column("failed", count, "trials that failed, for example because the loss was not finite"),
    "infeasible": Column("infeasible", count, "trials that the device cannot do, for example for lack of memory"),
    "gap": Column("gap to random", gap, "accuracy minus that of random, paired, in percentage points (pp)"),
    "gap_low": Column("95 % low", gap, "lower end of the 95 % interval of the gap, of each row by itself"),
    "gap_high": Column("95 % high", gap, "upper end of the 95 % interval of the gap, of each row by itself"),
    "analytic_time_s": Column("time, analytic (s)", quantity, "closed-form time on the device: scoring + training"),
    "analytic_energy_j": Column("energy, analytic (J)", quantity, "closed-form energy on the device"),
    "device_time_s": Column("time, emulated (s)", quantity, "time on the device, emulated step by step"),
    "device_energy_j": Column("energy, emulated (J)", quantity, "energy on the device, emulated step by step"),
    "host_wall_s": Column("time, this host (s)", quantity, "measured on the machine that simulated; no device's time"),
    "time": Column("which time", text, "the column of records.parquet that the line was fitted to"),
    "slope_s": Column("slope (s per 1.0)", quantity, "seconds that the time grows from keep ratio 0 to 1"),
    "intercept_s": Column("intercept (s)", quantity, "seconds of the fitted line at keep ratio 0"),
    "r2": Column("R²", quantity, "share of the time's variance that the line explains"),
    "epoch": Column("epoch", count, "epochs of training that were done"),
    "subset_loss": Column("training loss", quantity, "running mean over what the epoch visited"),
    "subset_accuracy": Column("training accuracy", percent, "running mean over what the epoch visited"),
    "test_loss": Column("test loss", quantity, "mean loss on the common test set"),
    "limit": Column(
        "limit", text, "what makes it infeasible: memory, storage, energy or availability of the device, or the budget"
    ),
    "status": Column("status", text, "failed: it broke off; infeasible: the device cannot do it"),
    "reason": Column("reason", text, "why a trial did not end well"),
    "failures": Column("trials concerned", count, "trials with this status, reason and method"),
    "keep_ratios": Column("keep ratios", text, "keep ratios of the trials concerned"),
    "device_list": Column("devices concerned", text, "indices of the devices concerned"),
    "seed_list": Column("seeds concerned", text, "seeds of the trials concerned"),
    "scenario": Column("scenario", text, "name of the scenario"),
    "seed": Column("seed", plain_count, "seed of the trial"),
    "seeds": Column("seeds", count, "seeds with a trial that ended well"),
    "device": Column("device", plain_count, "index of the device in the fleet"),
    "shard_size": Column("samples held", count, "samples that the device holds"),
    "subset_size": Column("samples kept", count, "samples kept for training; all where it chose while it trained"),
    "dynamic": Column("dynamic", text, "whether it chose while it trained, and kept no subset"),
    "train_accuracy": Column("shard accuracy", percent, "accuracy on the device's whole shard after training"),
    "train_loss": Column("shard loss", quantity, "mean loss on the device's whole shard after training"),
    "score_flops": Column("scoring (FLOP)", quantity, "counted work of scoring, multiply-add = 2"),
    "train_flops": Column("training (FLOP)", quantity, "counted work of all trainings, forward + backward"),
    "total_flops": Column("work (FLOP)", quantity, "scoring + training"),
    "selection_comparisons": Column("comparisons", count, "comparisons of the selection"),
    "steps": Column("steps", count, "optimiser steps of all trainings"),
    "repeats": Column(
        "trainings", count, "trainings that the price has, scored once; one of them was done, and its accuracy stands"
    ),
    "analytic_score_time_s": Column("scoring, analytic (s)", quantity, "closed-form time of scoring"),
    "analytic_train_time_s": Column("training, analytic (s)", quantity, "closed-form time of training"),
    "device_startup_energy_j": Column("start-up energy (J)", quantity, "of the emulated energy: starting the process"),
    "device_score_energy_j": Column("scoring energy (J)", quantity, "of the emulated energy: scoring and selection"),
    "device_score_time_s": Column("scoring, emulated (s)", quantity, "emulated time of scoring"),
    "device_train_time_s": Column("training, emulated (s)", quantity, "emulated time of training"),
    "device_work_energy_j": Column("work, emulated (J)", quantity, "emulated energy of scoring and training"),
    "device_wait_s": Column("waiting, emulated (s)", quantity, "time in which the device could not compute"),
    "device_throttled_s": Column("throttled, emulated (s)", quantity, "time that heat added"),
    "notes": Column("notes", text, "what a method wants remembered, as JSON"),
    "storage_bytes": Column("storage (B)", quantity, "bytes of the kept samples"),
    "upload_bytes": Column(
        "upload (B)",
        quantity,
        "bytes sent where kept data are uploaded; all of the shard without a subset chosen before",
    ),
    "upload_s": Column("upload (s)", quantity, "seconds of that by the link of the device's profile; not in the price"),
    "peak_memory_bytes": Column("peak memory (B)", quantity, "weights, gradients, optimiser state and activations"),
    "cost_j": Column("cost J (no unit)", quantity, "edge paper, Eq. 13: weighted time, energy and storage"),
    "host_score_wall_s": Column("scoring, this host (s)", quantity, "measured on the machine that simulated"),
    "host_train_wall_s": Column("training, this host (s)", quantity, "measured on the machine that simulated"),
    "host_stack_size": Column(
        "trained together", count, "trainings of small networks that shared their steps; 0 = trained alone"
    ),
    "accuracy_change": Column("change to full", gap, "accuracy minus that of full, paired, in percentage points"),
    "cost": Column("cost", quantity, "mean of one device, in the unit of the figure"),
    "on_front": Column("not beaten", text, "no other point is both cheaper and more accurate"),
    "finish_s": Column("all done (s)", quantity, "emulated time until the last device is done, mean over seeds"),
    "median_s": Column("half done (s)", quantity, "emulated time of the median device"),
    "share_of_seeds": Column("last in", percent, "share of the seeds in which this device is the last"),
    "wait_s": Column("waiting (s)", quantity, "waiting for others, or for storage, in seconds"),
    "wait_share": Column("waiting share", percent, "waiting as a share of devices × time until all are done"),
    "idle_energy_j": Column("idle energy (J)", quantity, "energy of that waiting at the devices' idle power"),
    "idle_energy_share": Column("idle energy share", percent, "its share of training energy + waiting energy"),
    "mean": Column("mean", percent, "mean over the devices"),
    "worst_tenth": Column("worst tenth", percent, "mean of the lowest tenth of the devices, at least one"),
    "gini": Column("Gini", quantity, "Gini coefficient of the devices' accuracies: 0 = all equal"),
    "jain": Column("Jain", quantity, "Jain's index of the devices' accuracies: 1 = all equal"),
    "runner_up": Column("runner-up", text, "second most accurate method"),
    "ahead": Column("lead", gap, "accuracy minus that of the runner-up"),
    "of": Column("of", count, "devices compared"),
    "needed_memory_bytes": Column("memory needed (B)", quantity, "largest peak of the device's trials"),
    "memory_bytes": Column("memory (B)", quantity, "what the device has"),
    "usable_memory_bytes": Column("memory for training (B)", quantity, "limit of a trial: the system keeps the rest"),
    "memory_share": Column("memory used", percent, "needed / there; above 80 % does not fit: the system keeps a fifth"),
    "needed_storage_bytes": Column("storage needed (B)", quantity, "all samples of the device, before pruning"),
    "storage_capacity_bytes": Column("storage there (B)", quantity, "what the device has"),
    "storage_share": Column("storage used", percent, "needed / there; above 100 % does not fit"),
    "methods": Column("methods", text, "methods of the trials concerned"),
    "label": Column("class", plain_count, "class of the samples, as the data set numbers it"),
    "before": Column("before", count, "samples of the class on the device"),
    "after": Column("after", count, "samples of the class that are kept"),
    "share_before": Column("share before", percent, "share of the class before pruning"),
    "share_after": Column("share after", percent, "share of the class among what is kept"),
    "kept_share": Column("kept", percent, "share of the class's samples that is kept"),
    "present": Column("held", count, "(seed, device) pairs that hold the class"),
    "vanished": Column("vanished", count, "of those, pairs that keep none of it"),
    "samples": Column("samples", count, "samples counted"),
    "classes": Column("classes", count, "classes that the device holds"),
    "largest_share": Column("largest class", percent, "share of the device's most frequent class"),
    "skew": Column("skew", quantity, "distance of the class shares from those of all devices: 0 = the same mix"),
    "time_factor": Column("time factor", quantity, "emulated / analytic time"),
    "energy_factor": Column("energy factor", quantity, "emulated / analytic energy"),
    "analytic_relative": Column("training, analytic", percent, "closed-form training time / that of full"),
    "device_relative": Column("training, emulated", percent, "emulated training time / that of full"),
    "host_relative": Column("training, this host", percent, "measured training time / that of full"),
    "analytic_error": Column(
        "error, analytic", gap, "closed-form training time / that of full, minus the same measured on this host"
    ),
    "device_error": Column(
        "error, emulated", gap, "emulated training time / that of full, minus the same measured on this host"
    ),
    "gap_s": Column("gap (s)", quantity, "emulated minus analytic time, mean over the device's trials"),
    "rate_s": Column("rate (s)", quantity, "of the gap: arithmetic and memory traffic at another rate than φ"),
    "steps_s": Column("steps (s)", quantity, "of the gap: overhead of every step"),
    "partial_s": Column("partial batches (s)", quantity, "of that: for the steps that partial batches add"),
    "score_s": Column("scoring (s)", quantity, "of the gap: scoring and selection"),
    "throttled_s": Column("heat (s)", quantity, "of the gap: throttling"),
    "rest_s": Column("rest (s)", quantity, "of the gap: what the others leave"),
    "step_overhead_s": Column("per step (s)", quantity, "overhead of one step, fitted"),
    "method_a": Column("method", text, "one method"),
    "method_b": Column("and", text, "the other method"),
    "class_name": Column("class name", text, "class of the samples"),
    "lambda": Column("λ", ratio, "weight of cost against risk in Eq. 14"),
    "weights": Column("devices weigh", text, "weights of the devices' risks: by the samples they hold, or all alike"),
    "least": Column("least", ratio, "smallest over the devices"),
    "median": Column("median", ratio, "median over the devices"),
    "most": Column("most", ratio, "largest over the devices"),
    "statement": Column("claim", text, "what the paper says, with the threshold that it is tested against"),
    "verdict": Column("verdict", text, "holds or does not hold where the interval lies on one side; else cannot tell"),
    "found": Column("found", text, "estimate with its 95 % interval, simultaneous over the claims"),
    "against": Column("against", text, "the threshold"),
    "p": Column("p (alone)", p_value, "two-sided p-value against the threshold of this row alone; it decides nothing"),
    "p_adjusted": Column("p (corrected)", p_value, "two-sided p-value, corrected for all rows tested (Bonferroni)"),
    "n": Column("n", count, "trials or pairs behind it"),
    "jaccard": Column("overlap", percent, "shared samples / samples in either subset (Jaccard)"),
    "chance": Column("by chance", percent, "what two random subsets of that size share"),
    "bin_low": Column("from", quantity, "lower end of the step"),
    "bin_high": Column("to", quantity, "upper end of the step"),
    "share": Column("share", percent, "share of the samples"),
    "score": Column("score", quantity, "larger is kept first"),
    "end": Column("end", text, "most: kept first; least: kept last"),
    "rank": Column("rank", count, "place from that end"),
    "index": Column("sample", plain_count, "index into the training set"),
    "tied": Column("ties", count, "samples of the class with this very score, itself among them"),
    "kept_at": Column("kept at", text, "keep ratios at which the sample is in the subset"),
    "most_important": Column("most important", text, "samples of the class that are kept first: index (score)"),
    "least_important": Column("least important", text, "samples of the class that are kept last: index (score)"),
    "quantity": Column("quantity", text, "what the method recorded"),
    "value": Column("value", quantity, "mean over devices and seeds"),
    "low": Column("95 % low", quantity, "lower end of the 95 % interval; of claims simultaneous, else by itself"),
    "high": Column("95 % high", quantity, "upper end of the 95 % interval; of claims simultaneous, else by itself"),
    "fleet": Column("fleet", text, "the fleet that the training is priced on"),
    "infeasible_devices": Column("devices that cannot", count, "devices with a trial that they cannot do"),
    "failed_devices": Column("devices without", count, "devices with a trial that the run has no outcome of"),
    "finish_low_s": Column("95 % low", quantity, "lower end of the 95 % interval over seeds of: all done (s)"),
    "finish_high_s": Column("95 % high", quantity, "upper end of the 95 % interval over seeds of: all done (s)"),
    "energy_j": Column("energy, fleet (J)", quantity, "emulated, sum over the devices, mean over seeds"),
    "energy_per_point_j": Column("J per point", quantity, "energy / (100 × mean test accuracy) of the common devices"),
    "closed_j": Column("energy, closed form (J)", quantity, "mean energy of the pairs' trials by the closed form"),
    "common_devices": Column("common devices", count, "devices that finish everything on every fleet"),
    "common_finish_s": Column("all done, common (s)", quantity, "the slowest of them, mean over seeds"),
    "common_energy_j": Column("energy, common (J)", quantity, "sum over them, mean over seeds"),
    "run": Column("run", text, "the run, in paired tables one that is compared with the first"),
    "first_accuracy": Column("first run", percent, "mean test accuracy of the first run over the pairs"),
    "own_accuracy": Column("this run", percent, "mean test accuracy of the other run over the pairs"),
    "difference": Column("difference", gap, "other run minus first run, same seed, device, method and ratio (or rule)"),
    "evidence": Column("told", text, "higher or lower where the interval leaves out 0; none: the pairs cannot tell"),
    "first_cost": Column("first run", quantity, "mean of the first run over the pairs"),
    "own_cost": Column("this run", quantity, "mean of the other run over the pairs"),
    "cost_difference": Column("difference", quantity, "other run minus first run, mean over the pairs"),
    "path": Column("setting", text, "place in the scenario"),
    "first_setting": Column("first run", text, "what the first run has there; - for nothing"),
    "own_setting": Column("this run", text, "what the other run has there; - for nothing"),
    "on_common_front": Column("not beaten by any run", text, "no point of any run is both cheaper and more accurate"),
}

ENDS = {"_low": ("95 % low", "lower"), "_high": ("95 % high", "upper")}
"""ends of the name of a column that is an end of an interval"""
SIMULTANEOUS = ("difference",)
"""labels of the quantities whose intervals hold together: of runs that are compared"""


def column(name: str, values: pd.Series) -> Column:
    """The column called `name`; one that is not in COLUMNS shows its own name."""
    if name in COLUMNS:
        return COLUMNS[name]
    for ending, (label, word) in ENDS.items():
        of = COLUMNS.get(name.removesuffix(ending))
        if name.endswith(ending) and of is not None:
            level = "simultaneous over all rows" if of.label in SIMULTANEOUS else "of each row by itself"
            return Column(label, of.write, f"{word} end of the 95 % interval of: {of.label}; {level}")
    return Column(name, quantity if pd.api.types.is_numeric_dtype(values.dtype) else text, "")
