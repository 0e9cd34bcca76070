"""Sections of a scenario for a user's own files: parquet, image folders, npz and csv.

Readers are imported when data are loaded, as in `datasets`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.data.dataset import Dataset
from edgesim.data.dataset_arguments import OwnData, OwnNumbers, OwnTable
from edgesim.data.sample_form import FormName
from edgesim.errors import DataError
from edgesim.tasks import TaskName

if TYPE_CHECKING:
    from edgesim.data.parquet import Layout
    from edgesim.data.table_windows import WindowLayout

Side = Annotated[int, Field(ge=1, le=4096)]
Length = Annotated[int, Field(ge=1, le=1_000_000)]


@checked_dataclass(kw_only=True)
class _Columns(OwnNumbers):
    """Keys of tables with a column of samples and one of labels."""

    samples: str | None = None
    """name of the column with the samples: images {bytes, path}, or lists or tensors of numbers; left out: the only one
    of images, else the only one of numbers"""
    label: str | None = None
    """name of the label column; left out: label, labels or fine_label"""
    size: tuple[Side, Side] | None = None
    """[height, width] in pixels that all images are resized to; left out: they all have one size"""
    shape: tuple[Length, ...] | None = None
    """shape of a sample, its numbers in C order: [channels, time] for example; left out: `shape` in the metadata of the
    column or the schema, else as the column's type nests"""
    tokens: bool = False
    """whole numbers of any width are token ids"""
    channels: Literal["first", "last"] | None = None
    """axis of a sample that holds the channels; left out: the first, of uint8 images also the last where it looks so"""
    form: FormName | None = None
    """reading of uint8 samples of two or three axes. images: [height, width], or with channels. arrays: channels first,
    as windows [channels, time] and spectrograms [1, mel, time]. Left out: images, with a note of two axes"""

    def _layout(self, train: str | None, test: str | None) -> Layout:
        """Of parquet files: these two name the splits' files."""
        from edgesim.data import parquet

        array = parquet.ArrayLayout(self.shape, self.tokens, self.channels, self.form)
        return parquet.Layout(
            train, test, self.samples, self.label, self.size, self._held_out, array, self.task, self.missing
        )


@checked_dataclass(kw_only=True)
class Parquet(_Columns):
    """Your own samples in parquet files: images (Hugging Face layout), or lists and tensors of numbers."""

    root: str
    """folder with the files, or the one file"""
    train: str | None = None
    """file name of the training split, or else a pattern; left out: train.parquet, train-*.parquet or the only file"""
    test: str | None = None
    """file name of the test split, or else a pattern; left out: test or validation. Of one table it is `within`
    (samples of every subject, as column `split_within` says) or `subjects` (whole subjects, by `split_subject`). Both
    columns hold train or test. With `test_share`, the samples are drawn instead"""

    def load(self, base: Path | None) -> Dataset:
        """As `DatasetSource.load`."""
        from edgesim.data import parquet

        if base is None:
            raise DataError("parquet: dataset.root is missing; name the folder with the data")
        layout = self._layout(self.train, None if self._rule else self.test)
        return self._read(parquet.dataset_files(base, "parquet", layout))


@checked_dataclass(kw_only=True)
class HuggingFace(_Columns):
    """A data set of the Hugging Face Hub or of its cache, or one that its library saved; `edgesim[huggingface]`."""

    location_key: ClassVar[str] = "path"
    path: str
    """name on the Hub (mnist, or user/name), or a folder that `save_to_disk` wrote. A folder begins with ./, ../, ~ or
    /, or is given as an absolute path"""
    config: str | None = None
    """configuration of the data set, where it has several"""
    revision: str | None = None
    """branch, tag or commit on the Hub; left out: the newest that is there"""
    train: str = "train"
    """name of the training split"""
    test: str | None = None
    """name of the test split; left out: test, else validation. Of one split it is `within` or `subjects`, as with
    parquet files"""
    streaming: bool = False
    """only false: devices need shards of known sizes, and a stream has neither a length nor a fixed order"""

    @model_validator(mode="after")
    def _readable(self) -> HuggingFace:
        if self.streaming:
            raise ValueError(
                "`streaming: true` cannot be read: devices need shards of known sizes, and a stream has neither a "
                "length nor a fixed order; leave it out (limit_train takes a part)"
            )
        if not self.path.strip():
            raise ValueError("`path` is empty; name a data set on the Hub, or a saved folder, beginning with ./ or /")
        if self.is_saved and (self.config or self.revision):
            raise ValueError("`config` and `revision` are of data sets on the Hub; `path` is a folder: leave them out")
        return self

    @property
    def is_saved(self) -> bool:
        """True where `path` is a folder, not a name on the Hub."""
        return self.path.startswith((".", "~", "/")) or Path(self.path).is_absolute()

    @property
    def location(self) -> str | None:
        """The folder, where `path` is one."""
        return self.path if self.is_saved else None

    def load(self, base: Path | None) -> Dataset:
        """As `DatasetSource.load`."""
        from edgesim.data import huggingface

        named = huggingface.Named(self.path, self.config, self.revision)
        splits = huggingface.opened(named, base if self.is_saved else None)
        chosen = huggingface.chosen(named, splits, self.train, None if self._rule else self.test, self._held_out)
        with huggingface.as_parquet(named, chosen, self._layout("train.parquet", None)) as files:
            return self._read(files)


@checked_dataclass(kw_only=True)
class ImageFolder(OwnData):
    """Your own image files in train/<class>/ and test/<class>/ (or val/<class>/)."""

    root: str
    """folder with train/ and test/; with test_share also one of class folders"""
    size: tuple[Side, Side] | None = None
    """[height, width] in pixels that all images are resized to; left out: they all have one size"""

    def load(self, base: Path | None) -> Dataset:
        """As `DatasetSource.load`."""
        from edgesim.data import folders

        folder = _folder(base, "image-folder")
        return self._read(folders.image_folder(folder, "image-folder", self.size, self._held_out))


@checked_dataclass(kw_only=True)
class Npz(OwnTable):
    """Your own arrays in one .npz file: samples of one shape (images, windows, vectors, token ids) and labels."""

    root: str
    """the file, or a folder that holds just one"""
    train_samples: str = "x_train"
    """name of the array with the training samples: uint8 images [N, H, W] or [N, H, W, C]; windows [N, channels, time],
    vectors [N, features] or arrays [N, channels, height, width] of uint8, int8, int16, float16 or float32; token ids
    [N, length] of int32"""
    train_labels: str = "y_train"
    """name of the array with the training labels"""
    test_samples: str = "x_test"
    """name of the array with the test samples"""
    test_labels: str = "y_test"
    """name of the array with the test labels"""
    columns: dict[str, str | tuple[str, str]] | None = None
    """groups of the samples by name, such as the subject: the array of the training samples, or [that, the array of the
    test samples]"""
    channels: Literal["first", "last"] | None = None
    """axis of a sample that holds the channels; left out: the last of images and the first of all else, unless another
    looks like it"""
    form: FormName | None = None
    """reading of uint8 samples of two or three axes. images: [height, width], or with channels last. arrays: channels
    first, as windows [channels, time] and spectrograms [1, mel, time]. Left out: images, with a note of two axes"""

    def load(self, base: Path | None) -> Dataset:
        """As `DatasetSource.load`."""
        from edgesim.data import arrays

        if base is None:
            raise DataError("npz: dataset.root is missing; name the .npz file")
        keys = {part: getattr(self, part) for part in arrays.PARTS}
        layout = arrays.NpzLayout(
            keys, self.channels, self._held_out, self.task, self.missing, self.form, self.columns or {}
        )
        return self._read(arrays.npz(base, "npz", layout))


@checked_dataclass(kw_only=True)
class Window:
    """Windows over a long table, whose rows are in time order."""

    length: Length
    """rows of a window"""
    step: Length | None = None
    """rows from the start of a window to the start of the next; left out: `length`"""
    by: str | tuple[str, ...] | None = None
    """column, or columns, whose values no window mixes: the person or the recording"""
    label: Literal["common", "last"] | None = None
    """label of a window: that of all its rows (windows of several labels are left out), or that of the last row; left
    out: common, of a regression last"""

    def layout(self, task: TaskName) -> WindowLayout:
        """The same with every value filled in."""
        from edgesim.data.table_windows import WindowLayout

        by = (self.by,) if isinstance(self.by, str) else self.by or ()
        label = self.label or ("last" if task == "regression" else "common")
        return WindowLayout(self.length, self.step or self.length, by, label)


@checked_dataclass(kw_only=True)
class Csv(OwnTable):
    """Your own table in a text file with a header: one row a sample, or windows over a long table."""

    root: str
    """the file, or a folder with train.csv and test.csv or just one .csv"""
    label: str | None = None
    """name of the label column; left out: label or labels"""
    features: tuple[str, ...] | None = None
    """names of the feature columns; left out: all columns of numbers that are named nowhere else"""
    window: Window | None = None
    """makes samples [channels, length] out of rows in time order; left out: each row is a sample"""
    delimiter: Literal[",", ";", "\t"] | None = None
    """sign between two values; left out: comma, semicolon or tab, whichever splits the header"""

    def load(self, base: Path | None) -> Dataset:
        """As `DatasetSource.load`."""
        from edgesim.data import csv_files

        if base is None:
            raise DataError("csv: dataset.root is missing; name the .csv file")
        windows = None if self.window is None else self.window.layout(self.task)
        layout = csv_files.CsvLayout(
            self.label, self.features, windows, self.delimiter, self.subject, self._held_out, self.task, self.missing
        )
        return self._read(csv_files.csv(base, "csv", layout))


def _folder(base: Path | None, name: str) -> Path:
    if base is None:
        raise DataError(f"{name}: dataset.root is missing; name the folder with the data")
    if not base.is_dir():
        raise DataError(f"{base}: is a file; {name} needs the folder that holds the data in dataset.root")
    return base
