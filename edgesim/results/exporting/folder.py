"""Export of a kept subset into a new folder: the data, the list of samples and the card, written as a whole."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgesim.config.output_files import new_folder
from edgesim.data.reading_notes import some
from edgesim.data.voc_folders import base_folder
from edgesim.errors import EdgesimError
from edgesim.results import provenance
from edgesim.results.exporting import image_formats, table_formats
from edgesim.results.exporting.subset import Part, Subset

FORMATS = ("indices", "npz", "parquet", "image-folder", "csv", "voc")
LIST, CARD = "kept.csv", "card.json"
_TEST_SHARE = 0.2


def export(subset: Subset, form: str, out: Path, with_test: bool = False) -> dict[str, Any]:
    """Write a subset into a folder that is not there yet, or empty.

    `kept.csv` lists the kept samples in the order of the training set, with their rows and files in the original data,
    devices, labels, scores and weights. `card.json` says where all of it comes from and how edgesim reads it.

    Args:
        subset: of a run.
        form: one of FORMATS.
        out: the folder.
        with_test: write the whole test split, too.

    Returns: the card.

    Raises:
        RunError: the format cannot hold these samples.
        OutputError: the folder holds something, or cannot be written. Nothing is left of a half-written one.
    """
    if form == "indices" and with_test:
        raise EdgesimError("--with-test writes samples, and --as indices writes none; leave one of them out")
    with new_folder(out) as temporary:
        return _write(subset, form, temporary, with_test)


def _write(subset: Subset, form: str, folder: Path, with_test: bool) -> dict[str, Any]:
    parts = {"train": subset.kept} | ({"test": subset.test} if with_test else {})
    written, section = _write_data(subset, form, parts, folder)
    subset.table.assign(written=written).to_csv(
        folder / LIST, index=False, lineterminator="\n", errors="backslashreplace"
    )
    card = _card(subset, form, section, with_test)
    if with_test:
        card["notes"] += _lost_classes(parts, subset)
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return card


def _write_data(subset: Subset, form: str, parts: dict[str, Part], folder: Path) -> table_formats.Written:
    """Write the samples; returns the file of each and the section that reads them."""
    data, table = subset.dataset, subset.table
    if form == "indices":
        return [""] * len(table), {}
    if form in ("image-folder", "voc"):
        files = table["file"].tolist()
        names = image_formats.sample_names(table["index"].tolist(), files)
        if form == "image-folder":
            return image_formats.write_image_folder(parts, data, folder, names)
        return image_formats.write_voc(parts, data, folder, names, _originals(subset))
    writer = {"npz": table_formats.write_npz, "parquet": table_formats.write_parquet, "csv": table_formats.write_csv}
    return writer[form](parts, data, folder)


def _lost_classes(parts: dict[str, Part], subset: Subset) -> list[str]:
    """The note on classes that only the test split has."""
    lost = np.setdiff1d(parts["test"].labels, parts["train"].labels).tolist()
    if not lost or subset.dataset.task != "classification":
        return []
    named = some([subset.dataset.class_names[label] for label in lost])
    return [f"the subset has no sample of class {named}, which the test split has; edgesim refuses to train on that"]


def _originals(subset: Subset) -> list[Path]:
    """Files of the kept samples in the original data; without a folder of VOC the names lead nowhere."""
    scenario = subset.run.scenario["dataset"]
    root = Path(subset.run.info["scenario_folder"]) / str(scenario.get("root", ""))
    if scenario["name"] == "voc":
        root = base_folder(root)
    return [root / file for file in subset.table["file"]]


def _card(subset: Subset, form: str, section: dict[str, Any], with_test: bool) -> dict[str, Any]:
    """All that tells where the subset comes from."""
    run, data, records = subset.run, subset.dataset, subset.records
    info, first = run.info, records.iloc[0]
    if section and data.task == "regression":
        section["task"] = data.task
    if section and not with_test:
        section["test_share"] = _TEST_SHARE
    return {
        "scenario": run.scenario, "scenario_folder": info["scenario_folder"], "run": str(run.path.resolve()),
        "seed": int(first["seed"]), "method": str(first["method"]),
        "keep_ratio": sorted(set(records["keep_ratio"].tolist())),
        "devices": [
            {name: getattr(one, name) for name in ("device", "profile", "keep_ratio", "shard_size", "subset_size")}
            for one in records.itertuples()
        ],
        "kept": len(subset.table), "of": len(data.train_labels), "notes": list(subset.notes),
        "format": form, "test_split": len(data.test_labels) if with_test else None,
        "data": {
            "name": data.name, "task": data.task, "sample_shape": list(data.train_samples.shape[1:]),
            "sample_type": str(data.train_samples.dtype), "form": asdict(data.sample_form),
            "class_names": list(data.class_names), "label_noise": info.get("label_noise", 0.0),
        },
        "made_with": {"versions": info.get("versions"), "git_commit": info.get("git_commit"),
                      "started": info.get("started"), "content_keys": info.get("identity")},
        "written_with": {"versions": provenance.versions(), "git_commit": provenance.git_commit(),
                         "command": provenance.command()},
        "dataset": section or None,
    }  # fmt: skip
