"""The one form that every data set takes: samples, labels and targets of two splits, with notes on their reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.data.columns import Column, checked_columns
from edgesim.data.partition_checks import apportion
from edgesim.data.reading_notes import Note, some
from edgesim.data.sample_form import Float32Array, SampleArray, SampleForm, check_samples, form_of, moments
from edgesim.data.targets import Targets, check_targets
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.tasks import NetworkForm, TaskName
from edgesim.work import IntArray

SPLITS = ("train", "test")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples of a training and a test split with what is to be learnt. Arrays are read-only, maybe memory-mapped."""

    name: str
    train_samples: SampleArray
    """[N, ...], one of `sample_form.DTYPES`; images [N, H, W, C]"""
    train_labels: IntArray
    """int64 [N], 0 to num_classes - 1: the class; of a regression a range of the target; of a detection the class of
    most of an image's boxes. Partitions, limits and shares of classes go by these"""
    test_samples: SampleArray
    test_labels: IntArray
    class_names: tuple[str, ...]
    notes: tuple[Note, ...] = ()
    """notes on what was left out, missed, met twice or read as something else, before any limit"""
    source_key: str = ""
    """hash of the source files (`cache.fingerprint`); empty where the data come from no files that were hashed"""
    form: SampleForm | None = None
    """axes and scaling of a sample; None = `sample_form.form_of` the training samples"""
    task: TaskName = "classification"
    train_targets: Targets | None = None
    """what the network is to give, where that is no class: float32 [N, K], or boxes"""
    test_targets: Targets | None = None
    train_columns: Mapping[str, Any] = field(default_factory=dict)
    """name -> group of each sample (`columns.Column`, or text or whole numbers [N]), for partitions by user or site"""
    test_columns: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.form is None:
            object.__setattr__(self, "form", form_of(np.asarray(self.train_samples)))
        for split in SPLITS:
            self._check_split(split)
        if self.train_samples.shape[1:] != self.test_samples.shape[1:]:
            raise DataError(
                f"data set '{self.name}': training samples are {_shape(self.train_samples)}, test samples "
                f"{_shape(self.test_samples)}; both splits need one shape"
            )
        if self.train_samples.dtype != self.test_samples.dtype:
            raise DataError(
                f"data set '{self.name}': training samples are {self.train_samples.dtype}, test samples "
                f"{self.test_samples.dtype}; both splits need one type"
            )

    def _check_split(self, split: str) -> None:
        where = f"data set '{self.name}', {split}"
        samples, labels = (np.asarray(getattr(self, f"{split}_{part}")) for part in ("samples", "labels"))
        check_samples(samples, self.sample_form, f"{where} samples")
        if len(samples) != len(labels):
            found = f"{n_of(len(samples), f'{split} sample')}, {n_of(len(labels), 'label')}"
            raise DataError(f"data set '{self.name}': {found}; give one each")
        if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= self.num_classes:
            raise DataError(
                f"data set '{self.name}': {split} labels ({labels.dtype}) from {labels.min()} to {labels.max()}; "
                f"allowed: integers 0 to {self.num_classes - 1}, one per class name"
            )
        targets = getattr(self, f"{split}_targets")
        object.__setattr__(self, f"{split}_targets", check_targets(targets, self.task, len(samples), where))
        columns = checked_columns(getattr(self, f"{split}_columns"), len(samples), f"{where} columns")
        object.__setattr__(self, f"{split}_columns", columns)
        for part, array in (("samples", samples), ("labels", np.asarray(labels, np.int64))):
            plain = array.view()  # of a memory map: subclasses of ndarray are copied when they are pickled
            plain.flags.writeable = False
            object.__setattr__(self, f"{split}_{part}", plain)

    @property
    def sample_form(self) -> SampleForm:
        """Axes and scaling of a sample."""
        assert self.form is not None, "set when the data set is made"
        return self.form

    @property
    def num_classes(self) -> int:
        """Number of classes that the labels name."""
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample as a network sees it, channels first."""
        return self.sample_form.input_shape(self.train_samples.shape[1:])

    @property
    def network_form(self) -> NetworkForm:
        """Form of a network for these data: its inputs, task and outputs."""
        outputs = self.train_targets.shape[1] if isinstance(self.train_targets, np.ndarray) else self.num_classes
        form = self.sample_form
        return NetworkForm(self.input_shape, outputs, self.task, form.tokens, form.vocabulary)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one stored sample, all its numbers at their width (s of Eq. 9)."""
        return int(np.prod(self.train_samples.shape[1:])) * self.train_samples.dtype.itemsize

    def normalisation(self) -> tuple[Float32Array, Float32Array]:
        """Mean and standard deviation of the training split, as `sample_form.moments`."""
        return self._moments

    @cached_property
    def _moments(self) -> tuple[Float32Array, Float32Array]:
        return moments(self.train_samples, self.sample_form)

    def chosen(self, train: npt.NDArray[Any] | None, test: npt.NDArray[Any] | None) -> Dataset:
        """The data set with these rows of each split only (sorted indices); None = all."""
        parts: dict[str, Any] = {}
        for split, rows in zip(SPLITS, (train, test), strict=True):
            if rows is None:
                continue
            for part in ("samples", "labels"):
                parts[f"{split}_{part}"] = getattr(self, f"{split}_{part}")[rows]
            targets = getattr(self, f"{split}_targets")
            parts[f"{split}_targets"] = None if targets is None else targets[rows]
            columns: dict[str, Column] = getattr(self, f"{split}_columns")
            parts[f"{split}_columns"] = {name: column.rows(rows) for name, column in columns.items()}
        return replace(self, **parts)


def limited(dataset: Dataset, limit_train: int | None, limit_test: int | None) -> Dataset:
    """The data set with at most so many samples per split, chosen by `stratified_first`; None = all."""
    train = stratified_first(dataset.train_labels, limit_train)
    test = stratified_first(dataset.test_labels, limit_test)
    if train is None and test is None:
        return dataset
    chosen = dataset.chosen(train, test)
    return replace(chosen, notes=(*dataset.notes, *_lost(dataset, chosen, (limit_train, limit_test))))


def _lost(dataset: Dataset, chosen: Dataset, limits: tuple[int | None, ...]) -> list[Note]:
    """The notes on classes of which a limit leaves nothing."""
    notes = []
    for split, limit in zip(SPLITS, limits, strict=True):
        had, has = getattr(dataset, f"{split}_labels"), getattr(chosen, f"{split}_labels")
        lost = np.setdiff1d(had, has)
        if len(lost):
            text = f"limit_{split} = {limit} leaves {n_of(len(lost), 'class', 'classes')} without a sample"
            notes.append(Note("missing", f"{text}: {some(dataset.class_names[c] for c in lost)}", len(lost)))
    return notes


def stratified_first(labels: IntArray, limit: int | None) -> IntArray | None:
    """Samples that a limit keeps: the first ones of each class in file order, in the proportions of the classes.

    Args:
        labels: int [N].
        limit: how many to keep, >= 1, or None.

    Returns: sorted indices, `limit` of them; None where nothing has to go. There is no chance in it.
    """
    if limit is None or limit >= len(labels):
        return None
    classes, counts = np.unique(labels, return_counts=True)
    keep = apportion(limit, counts)
    firsts = [np.flatnonzero(labels == c)[:k] for c, k in zip(classes, keep, strict=True)]
    return np.sort(np.concatenate(firsts))


def _shape(samples: SampleArray) -> str:
    return "x".join(str(side) for side in samples.shape[1:])
