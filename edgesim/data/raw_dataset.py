"""Data set that a reader found and has not decoded yet, with the checks before its samples are decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgesim.data.boxes import Boxes
from edgesim.data.columns import Column
from edgesim.data.held_out_split import SPLIT_COLUMNS, HeldOut
from edgesim.data.labels import Classes, Labels, classes_of
from edgesim.data.missing_values import Missing
from edgesim.data.origins import Origins
from edgesim.data.reading_notes import Note, some
from edgesim.data.sample_form import CHANNELS, CHUNK, IMAGES, FormName, SampleArray, SampleForm, check_samples, form_of
from edgesim.data.targets import Targets, as_numbers, ranges_of
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.tasks import TASKS, LabelWords, TaskName
from edgesim.work import IntArray

Samples = Callable[[IntArray | None], Iterable[SampleArray]]
"""the samples of these rows (sorted; None = all) as [b, ...], decoded as they are asked for"""
ChannelAxis = Literal["first", "last"]


def _nothing() -> list[Note]:
    return []


@dataclass(frozen=True)
class RawSplit:
    """One split before decoding: labels at once, samples as they are asked for."""

    labels: npt.NDArray
    """[N], as they stand in the files: whole numbers, true/false or text; numbers [N] or [N, K] of a regression"""
    samples: Samples
    where: str
    """the file or folder, for messages"""
    rows: IntArray | None = None
    """positions of the samples that are used, sorted; None = all"""
    targets: Targets | None = None
    """of a detection its boxes; of a regression set by `RawDataset.checked`"""
    columns: Mapping[str, Column] = field(default_factory=dict)
    """groups of the samples, by name"""
    samples_where: str = ""
    """place of the samples, where it is not that of the labels"""
    origins: Origins | None = None
    """places of the samples in their files; None = sample i is row i"""

    @property
    def place(self) -> str:
        """Place of the samples, for messages on their numbers."""
        return self.samples_where or self.where

    @property
    def label_where(self) -> str:
        """`where`, for messages that count samples: of chosen rows they count within these."""
        return self.where if self.rows is None else f"{self.where} (samples counted within the split)"

    def chunks(self) -> Iterable[SampleArray]:
        """The samples in order, a few MB at a time. A file is read once for each call."""
        return self.samples(self.rows)

    @property
    def classes(self) -> npt.NDArray:
        """Classes of the samples; of images with boxes those of the boxes."""
        return self.targets.labels if isinstance(self.targets, Boxes) else self.labels

    def chosen(self, rows: IntArray) -> RawSplit:
        """The same split with these rows of it alone, of which none were chosen yet."""
        assert self.rows is None, "rows are chosen once"
        return replace(
            self,
            labels=self.labels[rows],
            rows=rows,
            origins=(self.origins or Origins(np.arange(len(self.labels)))).chosen(rows),
            targets=None if self.targets is None else self.targets[rows],
            columns={name: column.rows(rows) for name, column in self.columns.items()},
        )

    def grouped(self) -> RawSplit:
        """The same without the columns that say which split a row belongs to: within one they say nothing."""
        kept = {name: column for name, column in self.columns.items() if name not in SPLIT_COLUMNS.values()}
        return replace(self, columns=kept)

    def matched(self, others: Mapping[str, Column]) -> RawSplit:
        """The same with the groups of another split first in each column, so that a code is one group in both."""
        found = {name: c.after(others[name].names) if name in others else c for name, c in self.columns.items()}
        return replace(self, columns=found)


@dataclass(frozen=True)
class RawDataset:
    """Both splits before decoding."""

    train: RawSplit
    test: RawSplit | None
    """None: `held_out` says which training samples it takes"""
    class_names: tuple[str, ...] | None = None
    """None where the files do not say: the classes are the training split's labels"""
    keep_all: bool = False
    """True keeps named classes without samples: they are the task of a published data set"""
    held_out: HeldOut | None = None
    notes: tuple[Note, ...] = ()
    noticed: Callable[[], list[Note]] = _nothing
    """notes of the decoding; complete once all samples were read"""
    form: SampleForm = IMAGES
    task: TaskName = "classification"
    missing: Missing = "refuse"
    feature_names: tuple[str, ...] = ()
    """of samples [features], as their files name them; empty where they have no names"""

    def checked(self) -> CheckedDataset:
        """The same with class ids, class names and a test split.

        Raises:
            DataError: an empty split, or labels that are no classes (`labels.classes_of`).
        """
        if self.test is None and self.held_out is not None and self.held_out.share is None:
            return self._split_by_column(self.held_out).checked()
        train, test, names, notes = self._of_task()
        words = TASKS[self.task].label_words
        if test is None:
            assert self.held_out is not None, "a reader gives a test split, or says how to take one"
            rows = self.held_out.rows(train.labels, train.where, train.columns, words.one)
            notes += self.held_out.notes(train.labels, rows[1], train.columns, words)
            whole = train
            train, test = (whole.chosen(chosen) for chosen in rows)
            notes += _unlearnt(train.labels, test.labels, names, words)
        missing = np.setdiff1d(train.classes, test.classes)
        if len(missing):
            what = "test box" if self.task == "detection" else "test sample"
            text = n_of(len(missing), f"{words.one} has no {what}", f"{words.many} have no {what}")
            notes.append(Note("missing", f"{text}: {some(names[c] for c in missing)}", len(missing)))
        parts = names, tuple(notes), self.noticed, self.form, self.task, self.missing, self.feature_names
        return CheckedDataset(train.grouped(), test.grouped().matched(train.columns), *parts)

    def _split_by_column(self, held_out: HeldOut) -> RawDataset:
        """The same with the splits that a column of the rows names. Classes are then those of the training rows."""
        train, test, notes = held_out.named_rows(self.train.columns, self.train.where)
        whole = self.train
        return replace(self, train=whole.chosen(train), test=whole.chosen(test), notes=(*self.notes, *notes))

    def _of_task(self) -> tuple[RawSplit, RawSplit | None, tuple[str, ...], list[Note]]:
        """Both splits with class ids, the classes' names, and the notes so far."""
        if self.task == "detection":  # the reader has made classes of images out of those of boxes
            assert self.class_names is not None
            return self.train, self.test, self.class_names, [*self.notes]
        return self._ranges() if self.task == "regression" else self._classes()

    def _classes(self) -> tuple[RawSplit, RawSplit | None, tuple[str, ...], list[Note]]:
        """Both splits with class ids, the classes' names, and the notes so far."""
        given = None if self.test is None else Labels(self.test.labels, self.test.label_where)
        found: Classes = classes_of(
            Labels(self.train.labels, self.train.label_where), given, self.class_names, self.keep_all
        )
        train, test = replace(self.train, labels=found.train), self.test
        if test is not None:
            assert found.test is not None, "labels of a test split become ids of it"
            test = replace(test, labels=found.test)
        return train, test, found.names, [*self.notes, *found.notes]

    def _ranges(self) -> tuple[RawSplit, RawSplit | None, tuple[str, ...], list[Note]]:
        """As `_classes`, of a regression: its numbers are the targets, ranges of them the classes."""
        splits = [split for split in (self.train, self.test) if split is not None]
        numbers = [as_numbers(split.labels, split.label_where) for split in splits]
        if len({array.shape[1] for array in numbers}) > 1:
            raise DataError(
                f"{splits[1].where}: has {numbers[1].shape[1]} numbers a sample, training {numbers[0].shape[1]}"
            )
        labels, names = ranges_of(*numbers)
        told = [
            replace(split, labels=ids, targets=array) for split, ids, array in zip(splits, labels, numbers, strict=True)
        ]
        text = f"the targets are numbers; partitions and shares go by {n_of(len(names), 'range')} of them"
        notes = [*self.notes, Note("read as", f"{text}: {some(names)}", len(names))]
        return told[0], told[1] if len(told) > 1 else None, tuple(names), notes


def _unlearnt(train: IntArray, test: IntArray, names: Sequence[str], words: LabelWords) -> list[Note]:
    """The note on classes, or ranges of a target, that all lie in the test split, where whole subjects were drawn."""
    gone = np.setdiff1d(test, train)
    if not len(gone):
        return []
    text = n_of(int(np.isin(test, gone).sum()), "test sample has", "test samples have")
    text += f" a {words.one} without training samples ({some(names[c] for c in gone)}): no network can learn it"
    return [Note("missing", text, len(gone))]


@dataclass(frozen=True)
class CheckedDataset:
    """Both splits with int64 class ids, ready to be decoded."""

    train: RawSplit
    test: RawSplit
    class_names: tuple[str, ...]
    notes: tuple[Note, ...]
    noticed: Callable[[], list[Note]]
    form: SampleForm = IMAGES
    task: TaskName = "classification"
    missing: Missing = "refuse"
    feature_names: tuple[str, ...] = ()


def array_samples(samples: SampleArray) -> Samples:
    """The samples of an array [N, ...] in chunks of CHUNK, views where all rows are asked for."""

    def chunks(rows: IntArray | None) -> Iterable[SampleArray]:
        count = len(samples) if rows is None else len(rows)
        spans = (slice(start, start + CHUNK) for start in range(0, count, CHUNK))
        return (samples[span] if rows is None else samples[rows[span]] for span in spans)

    return chunks


def as_samples(
    array: npt.NDArray[Any], where: str, channels: ChannelAxis | None, form_name: FormName | None = None
) -> tuple[SampleArray, SampleForm]:
    """A stored array as samples of a form.

    uint8 of three or four axes is images: [N, H, W, C], where [N, H, W] becomes one channel. All else has its channels
    first: [N, features], [N, channels, time], [N, channels, height, width]; int32 [N, length] is token ids.
    `form_name` reads uint8 of such axes as arrays with channels first.

    Args:
        array: as it stands.
        where: names it in messages.
        channels: "last" or "first" of the axes of a sample; None = last for images and first for all else, where that
            is plausible.
        form_name: "images" or "arrays"; None = images for uint8 of three or four axes, else arrays.

    Raises:
        DataError: what is wrong. Without `channels` also where another axis looks like the channels: of an image or
            spectrogram one with 1, 3 or 4 places where the expected one has not; of a window the shorter one.
    """
    may_be_image = array.dtype == np.uint8 and array.ndim in (3, 4)
    if form_name == "images" and not may_be_image:
        raise DataError(
            f"{where}: {array.dtype} of shape {list(array.shape)}; dataset.form: images needs uint8 [N, H, W] or "
            f"[N, H, W, C]; leave it out, or store the images as uint8"
        )
    image = may_be_image and form_name != "arrays"
    usual: ChannelAxis = "last" if image else "first"
    if channels is None and array.ndim in (3, 4) and array.dtype != np.int32:
        _check_plausible(array, image, where)
    if channels is not None and channels != usual and array.ndim >= (4 if image else 3):
        array = np.moveaxis(array, 1, -1) if image else np.moveaxis(array, -1, 1)
    samples = array[..., None] if image and array.ndim == 3 else array
    form = IMAGES if image else SampleForm(0)
    if array.dtype == np.int32:
        form = form_of(samples)
    check_samples(samples, form, where)
    if form.tokens and samples.min() < 0:
        raise DataError(f"{where}: holds the token id {samples.min()}; allowed: 0 or more")
    return samples, form


def form_notes(array: npt.NDArray[Any], form_name: FormName | None, count: int) -> list[Note]:
    """The note on samples that may be images or windows alike: uint8 of two axes, where no one says which.

    Args:
        array: samples as they stand, or some of them.
        form_name: as for `as_samples`.
        count: samples in all.
    """
    if form_name is not None or array.dtype != np.uint8 or array.ndim != 3:
        return []
    height, width = array.shape[1:]
    text = f"samples of uint8 [{height}, {width}] are read as grey images of {height}x{width}; dataset.form: arrays "
    return [Note("read as", f"{text}reads windows [channels, time], and form: images omits this note", count)]


def widest(forms: Sequence[SampleForm]) -> SampleForm:
    """The form of several splits: that of the first, with the tokens of all."""
    return replace(forms[0], vocabulary=max(form.vocabulary for form in forms))


def _check_plausible(array: npt.NDArray[Any], image: bool, where: str) -> None:
    """DataError where the axes of samples look like the other order."""
    first, last = array.shape[1], array.shape[-1]
    shape = list(array.shape)
    if array.ndim == 4:
        expected, other = (last, first) if image else (first, last)
        if expected in CHANNELS or other not in CHANNELS:
            return
        if image:
            inner = ", ".join(map(str, array.shape[1:]))
            raise DataError(
                f"{where}: shape {shape}; allowed: [N, H, W] or [N, H, W, C] (channels last); channels first? "
                f"[N, {inner}]; use transpose(0, 2, 3, 1), or say in dataset.channels which axis of an image they "
                f"are: first or last"
            )
    elif image or first <= last:
        return
    raise DataError(
        f"{where}: shape {shape} would be {first:,} channels; say in dataset.channels which axis of a sample they are: "
        f"first ([N, channels, …]) or last"
    )
