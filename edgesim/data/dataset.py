"""The one form that every data set takes: samples, labels and targets of two splits, with notes on their reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.data.boxes import NO_OBJECT
from edgesim.data.columns import Column, checked_columns
from edgesim.data.origins import Origins
from edgesim.data.reading_notes import Note
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
    train_origins: Origins | None = None
    """places of the training samples in their files; None = sample i is row i"""
    feature_names: tuple[str, ...] = ()
    """of samples [features], as their files name them; empty where they have no names"""

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
        if self.task == "detection":
            if not self.sample_form.is_image:
                found = f"{samples.dtype} of shape {list(samples.shape)}"
                raise DataError(f"{where} samples: {found}; a detection needs uint8 images [N, H, W, C]")
            targets.check(self.network_form.num_outputs, samples.shape[1:3], f"{where} targets")
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
        outputs = self.num_classes
        if isinstance(self.train_targets, np.ndarray):
            outputs = self.train_targets.shape[1]
        elif self.task == "detection":
            outputs -= self.class_names[-1] == NO_OBJECT
        form = self.sample_form
        return NetworkForm(self.input_shape, outputs, self.task, form.tokens, form.vocabulary)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one stored sample, all its numbers at their width (s of Eq. 9)."""
        return int(np.prod(self.train_samples.shape[1:])) * self.train_samples.dtype.itemsize

    @property
    def origins(self) -> Origins:
        """Places of the training samples in the files that they were read from."""
        return self.train_origins or Origins(np.arange(len(self.train_labels)))

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
        if train is not None:
            parts["train_origins"] = self.origins.chosen(train)
        return replace(self, **parts)


def _shape(samples: SampleArray) -> str:
    return "x".join(str(side) for side in samples.shape[1:])
