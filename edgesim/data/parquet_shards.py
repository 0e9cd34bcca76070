"""Parquet files that make up the splits. Their names tell of shards that are missing or belong to two sets."""

from __future__ import annotations

import filecmp
import glob
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from edgesim.config.validation import nearest
from edgesim.data.reading_notes import Note, some
from edgesim.errors import DataError
from edgesim.formatting import n_of

SPLIT_WORDS = {"train": ("train",), "test": ("test", "validation", "valid", "val")}
SHARD = re.compile(r"(?P<stem>.*?)[-_]?(?P<place>\d+)[-_]of[-_](?P<total>\d+)(?P<rest>.*)\.parquet", re.IGNORECASE)
"""as Hugging Face names them: train-00000-of-00003.parquet, sometimes with a hash behind"""


@dataclass(frozen=True)
class Shards:
    """The files of each split, in order, and what is to be said of them."""

    train: tuple[Path, ...]
    test: tuple[Path, ...]
    """empty where the test split is a share of the training split"""
    notes: tuple[Note, ...]


def holds_parquet(folder: Path) -> bool:
    """True where a training split in parquet files lies in the folder."""
    return bool(_by_words(folder, "train"))


def find(
    folder: Path,
    train: str | None,
    test: str | None,
    held_out: str | None = None,
    advice: Callable[[Path], str] | None = None,
) -> Shards:
    """Find the parquet files of both splits.

    Args:
        folder: holds them, or a folder data/ with them.
        train: a file's name as it stands, or else a pattern; None = train.parquet or train-*.parquet, or else the only
            file.
        test: likewise; None = test, validation, valid or val, the first of them that is there.
        held_out: the key by which the test split is taken from the training split, so that there must be none.
        advice: gives the ways to take a test split out of a training file, for the message that it is missing.

    Raises:
        DataError: a split is missing, consists of two sets of shards, or shares a file with the other one; a test
            split is there beside `held_out`.
    """
    given = {"train": train, "test": test}
    files = {split: _files(folder, split, named) for split, named in given.items()}
    if not files["train"] and train is None:
        files["train"] = _only(folder)
    shared = held_out is not None
    if shared and (test is not None or files["test"]):
        there = files["test"][0] if files["test"] else f"dataset.test: '{test}'"
        raise DataError(f"{there}: is a test split, and {held_out} asks for another; give one of them only")
    for split, found in files.items():
        if not found and not (shared and split == "test"):
            more = "" if split == "train" or advice is None else advice(files["train"][0])
            raise _missing(folder, split, given[split], more)
    notes = []
    for split, found in files.items():
        notes += _check_sets(split, found, chosen=given[split] is not None)
    _check_apart(files["train"], files["test"])
    if files["test"] and test is None and not _is_of("test", files["test"][0]):
        count = len(files["test"])
        text = "file is" if count == 1 else "files are"
        notes.append(Note("read as", f"the test split {text} {some(path.name for path in files['test'])}", count))
    if train is None or (test is None and not shared):
        notes += _unread(folder, {*files["train"], *files["test"]})
    return Shards(files["train"], files["test"], tuple(notes))


def _files(folder: Path, split: str, given: str | None) -> tuple[Path, ...]:
    if given is None:
        return _by_words(folder, split)
    bases = (folder, folder / "data")
    exact = next((base / given for base in bases if (base / given).is_file()), None)
    if exact is not None:
        return (exact,)
    for base in bases:
        found = tuple(base / name for name in sorted(glob.glob(given, root_dir=base)) if (base / name).is_file())
        if found:
            return found
    return ()


def _by_words(folder: Path, split: str) -> tuple[Path, ...]:
    """The files of a split by their names; those of both places where both hold some."""
    for word in SPLIT_WORDS[split]:
        found = tuple(path for base in (folder, folder / "data") for path in _parquet(base) if _is_of(word, path))
        if found:
            return found
    return ()


def _is_of(word: str, path: Path) -> bool:
    return path.name == f"{word}.parquet" or path.name.startswith(f"{word}-")


def _parquet(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix == ".parquet" and path.is_file())


def _only(folder: Path) -> tuple[Path, ...]:
    """The only parquet file, unless its name says that it is a test split."""
    found = [path for base in (folder, folder / "data") for path in _parquet(base)]
    if len(found) != 1 or any(_is_of(word, found[0]) for word in SPLIT_WORDS["test"]):
        return ()
    return (found[0],)


def _missing(folder: Path, split: str, given: str | None, more: str) -> DataError:
    there = sorted(path.name for path in folder.iterdir())
    wanted = given or " or ".join(f"{word}.parquet" for word in SPLIT_WORDS[split])
    dead = [name for name in there if name.endswith(".parquet") and not (folder / name).exists()]
    if dead:
        fix = f"{some(dead)}: a link that leads nowhere; fetch what it stands for, or remove it"
    elif given is None and (inner := next((name for name in SPLIT_WORDS[split] if _parquet(folder / name)), None)):
        fix = f"'{inner}' is a folder: write dataset.{split}: {inner}/*.parquet"
    elif given and (folder / given).is_dir():
        fix = f"'{given}' is a folder: name the files in it, for example '{given.rstrip('/')}/*.parquet'"
    else:
        fix = f"put it there, or name the file in dataset.{split}{nearest(wanted, there)}"
    return DataError(
        f"{folder}: the {split} split is missing (no {wanted}); it holds {some(there, 8) or 'nothing'}; {fix}{more}"
    )


def _check_sets(split: str, files: tuple[Path, ...], chosen: bool) -> list[Note]:
    """The note on shards that are missing.

    Raises:
        DataError: the files are two sets of one split. Where the user chose the files, sets of different names may
            stand side by side, but not two of one name.
    """
    sets: defaultdict[tuple[Path, str, int], list[tuple[int, Path]]] = defaultdict(list)
    for path in files:
        match = SHARD.fullmatch(path.name)
        if match:
            sets[path.parent, match["stem"], int(match["total"])].append((int(match["place"]), path))
    if not chosen:
        _check_one_set(split, files, [[path for _, path in shards] for shards in sets.values()])
    for (one, shards), (other, more) in combinations(sets.items(), 2):
        if one[:2] == other[:2]:
            raise _two_sets(split, shards[0][1], more[0][1])
    notes = []
    for (_, _, total), shards in sets.items():
        placed: dict[int, Path] = {}
        for place, path in shards:
            if place in placed:
                raise _two_sets(split, placed[place], path)
            placed[place] = path
        start = 1 if total in placed and 0 not in placed else 0  # a few tools count from 1
        wrong = next((path for place, path in shards if not start <= place < start + total), None)
        if wrong is not None:
            raise DataError(f"{wrong}: there is no such shard of {total}; rename or remove it")
        notes += _incomplete(split, sorted(set(range(start, start + total)) - set(placed)), shards[0][1], len(placed))
    return notes


def _check_one_set(split: str, files: tuple[Path, ...], sets: list[list[Path]]) -> None:
    """DataError where files that were found by the split's name are no single set.

    One set is a file of that very name, or shards i-of-n, or files that carry the name and something of their own.
    """
    first = sets[0] if sets else [path for path in files if path.stem in SPLIT_WORDS[split]][:1]
    other = next((path for path in files if path not in first), None)
    if first and other is not None:
        raise _two_sets(split, first[0], other)
    apart = next((path for path in files if path.parent != files[0].parent), None)
    if apart is not None:
        raise _two_sets(split, files[0], apart)


def _two_sets(split: str, one: Path, other: Path) -> DataError:
    second = other.name if one.parent == other.parent else other
    return DataError(
        f"{one.parent}: holds two sets of files of the {split} split ({one.name} and {second}); remove one, or name "
        f"the files to read in dataset.{split}"
    )


def _incomplete(split: str, missing: list[int], example: Path, count: int) -> list[Note]:
    if not missing:
        return []
    match = SHARD.fullmatch(example.name)
    assert match is not None, "the caller matched it"
    width, total = len(match["place"]), int(match["total"])
    head, tail = example.name[: match.start("place")], example.name[match.end("place") : match.end("total")]
    names = some(f"{head}{place:0{width}}{tail}.parquet" for place in missing)
    text = (
        f"only {count} of {total} shards of the {split} split {'is' if count == 1 else 'are'} there; missing: {names}"
    )
    return [Note("missing", text, len(missing))]


def _check_apart(train: Sequence[Path], test: Sequence[Path]) -> None:
    """DataError where a file is in both splits, or twice in one: by its name, by a link, or with the same content."""
    by_size: defaultdict[int, list[tuple[str, Path]]] = defaultdict(list)
    for split, paths in (("train", train), ("test", test)):
        for path in paths:
            by_size[_size(path)].append((split, path))
    pairs = (pair for alike in by_size.values() for pair in combinations(alike, 2))
    for (split, path), (other_split, other) in pairs:
        # Different files part in their first blocks, so that this reads little of them.
        if not path.samefile(other) and (not _size(path) or not filecmp.cmp(path, other, shallow=False)):
            continue
        if split == other_split:
            raise DataError(f"{other}: is the same file as {path}, which the {split} split holds too; remove one")
        named = "" if path == other else f" (in the training split as {path})"
        raise DataError(f"{other}: is in both splits{named}; name different files in dataset.train and dataset.test")


def _size(path: Path) -> int:
    try:
        with path.open("rb"):
            return path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None


def _unread(folder: Path, read: set[Path]) -> list[Note]:
    """The note on parquet files that are in no split."""
    unread = [path for base in (folder, folder / "data") for path in _parquet(base) if path not in read]
    if not unread:
        return []
    text = f"{n_of(len(unread), 'parquet file is', 'parquet files are')} in no split and not read"
    return [Note("left out", f"{text}: {some(path.name for path in unread)}", len(unread))]
