"""Base class of data sets, and arguments that they share: limits, wrong labels on purpose, a held-out test split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.data.dataset import Dataset
from edgesim.data.held_out_split import RULES, HeldOut, SplitRule
from edgesim.data.label_noise import with_wrong_labels
from edgesim.data.missing_values import Missing
from edgesim.data.sample_form import Normalise
from edgesim.data.sample_limits import limited
from edgesim.tasks import TaskName

if TYPE_CHECKING:
    from edgesim.data.cache import DatasetFiles

Limit = Annotated[int, Field(ge=1, le=10**12), PlausibleRange(1, 10**9)]


class DatasetSource:
    """Base class of a data set, in the table or a user's own: a frozen dataclass that defines `load`."""

    task: TaskName = "classification"
    """kind of task; known without reading the data"""
    location_key: ClassVar[str] = "root"
    """key of `location` in a scenario, for messages"""

    @property
    def location(self) -> str | None:
        """Folder or file with the data: the argument `root`, where the data set has one and it is given.

        `root` has no default here, or every data set whose users must give it would inherit that.
        """
        root = vars(self).get("root")
        return None if root is None else str(root)

    def load(self, base: Path | None) -> Dataset:
        """Read the data.

        Args:
            base: the folder or file that the search path gave (`datasets.find`); None where there is none.

        Raises:
            DataError: naming the file and the fix.
        """
        raise NotImplementedError(f"{type(self).__name__} has no `load`")


@checked_dataclass(kw_only=True)
class Limits(Bounded, DatasetSource):
    """Arguments of every data set: limits of its splits, and wrong labels on purpose."""

    limit_train: Limit | None = None
    """training samples at most, in the classes' proportions; left out: all. They are the first of each class. Where
    columns group the samples, such as the subject, they are the first of each class in every group, evenly"""
    limit_test: Limit | None = None
    """test samples at most, chosen as those of training; left out: all"""
    normalise: Normalise = "channel"
    """numbers that share a mean and a deviation, taken from the training split: those of a channel, those of a feature
    (one place of a sample), or none (numbers as they stand, uint8 over 255); token ids are never changed"""
    label_noise: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """share of the training labels (after the limit) that are replaced by other classes, drawn uniformly"""

    def _read(self, files: DatasetFiles) -> Dataset:
        """The data set of some files, decoded now or before, as `_limited`."""
        from edgesim.data.cache import decoded

        return self._limited(decoded(files))

    def _limited(self, dataset: Dataset) -> Dataset:
        """With the limits, and then the label noise, of this section."""
        if not dataset.sample_form.tokens:
            dataset = replace(dataset, form=replace(dataset.sample_form, normalise=self.normalise))
        return with_wrong_labels(limited(dataset, self.limit_train, self.limit_test), self.label_noise)


@checked_dataclass(kw_only=True)
class OwnData(Limits):
    """Arguments of a user's own data: a test split that is a share of the training split."""

    test_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """share of each class that becomes the test split, where there is none; the same for all seeds of a scenario"""
    test_seed: Annotated[int, Field(ge=0)] = 0
    """seed of the draw of these samples"""

    @model_validator(mode="after")
    def _shared(self) -> OwnData:
        if self.test_share is None and self.test_seed:
            raise ValueError("`test_seed` does nothing without `test_share`; leave it out, or give both")
        return self

    @property
    def _held_out(self) -> HeldOut | None:
        return None if self.test_share is None else HeldOut(self.test_share, self.test_seed)


@checked_dataclass(kw_only=True)
class OwnNumbers(OwnData):
    """Arguments of a user's own data that may be more than images: task, missing numbers, and subjects."""

    task: Literal["classification", "regression"] = "classification"
    """labels are classes, or numbers that the network is to predict"""
    missing: Missing = "refuse"
    """value in place of a missing number (NaN): none, zero, the channel's mean in training, or the number before it"""
    subject: str = "subject"
    """column with the subjects, for `test` together with `test_share`"""

    @model_validator(mode="after")
    def _ruled(self) -> OwnNumbers:
        if self.subject != "subject" and (self.test_share is None or self._rule is None):
            raise ValueError("`subject` does nothing without `test_share` and `test: within` or `test: subjects`")
        return self

    @property
    def _rule(self) -> SplitRule | None:
        """The argument `test` of the data set; None where it is no rule, but a file."""
        return RULES.get(vars(self).get("test") or "")

    @property
    def _held_out(self) -> HeldOut | None:
        if self._rule is None:
            return super()._held_out
        return HeldOut(self.test_share, self.test_seed, self._rule, self.subject)


@checked_dataclass(kw_only=True)
class OwnTable(OwnNumbers):
    """Arguments of own numbers in one table: its test split."""

    test: SplitRule | None = None
    """test split out of one table. `within`: samples of every subject, as column `split_within` says; `subjects`: whole
    subjects, by `split_subject`. Both columns hold train or test. With `test_share`, the samples are drawn instead"""
