"""Entries of `pruning.methods`: a method with its arguments, and the options that methods have in common.

    sampler         rule that turns scores into a subset; every method that scores takes it
    after_warmup    use of the warm-up once the subset is chosen (`pruning.after_warmup`); every method with a warm-up

An option is a key of the entry, whatever fields the method's class has. A user's own class needs no line for it; where
it has a field of that name, the key is its own.
"""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import numpy as np

from edgesim.config import user_code
from edgesim.config.checked_dataclass import adapter
from edgesim.config.plausible import stated
from edgesim.config.registry import NamedPlugin, PluginTable, bind
from edgesim.config.validation import join, kind_of, nearest
from edgesim.errors import EdgesimError, Fault
from edgesim.pruning import METHODS, SAMPLERS, Method, SubsetSampler
from edgesim.pruning.base import AfterWarmup, Shard

OPTIONS = ("sampler", "after_warmup")
USES = get_args(AfterWarmup)
"""values of `after_warmup`"""
_METHODS = PluginTable(METHODS, "score|choose", labelled=True, base=Method, options=OPTIONS, kind="methods")


def bind_method(given: Any, path: str, faults: list[Fault]) -> NamedPlugin | None:
    """A method from its entry, with its options set.

    Args:
        given: what the document holds.
        path: YAML path, for messages.
        faults: collects every fault.

    Returns: the method, or None where there was a fault.
    """
    if not isinstance(given, dict):
        return bind(given, _METHODS, path, faults)
    before = len(faults)
    arguments = {key: value for key, value in given.items() if key not in OPTIONS}
    named = bind(arguments, _METHODS, path, faults)
    own = () if named is None else tuple(field.name for field in dataclasses.fields(named.plugin))
    if set(own) & set(given) & set(OPTIONS):  # fields of the method's own
        del faults[before:]
        arguments |= {key: given[key] for key in OPTIONS if key in given and key in own}
        named = bind(arguments, _METHODS, path, faults)
    options: dict[str, Any] = {}
    if given.get("sampler") is not None and "sampler" not in own:
        options["sampler"] = _sampler(given["sampler"], join(path, "sampler"), faults)
        if named is not None and options["sampler"] is not None:
            _check_sampler(named, options["sampler"], join(path, "sampler"), faults)
    if given.get("after_warmup") is not None and "after_warmup" not in own:
        options["after_warmup"] = _after_warmup(given["after_warmup"], join(path, "after_warmup"), faults)
    if named is None or len(faults) > before:
        return None
    named = dataclasses.replace(named, plugin=named.plugin.with_options(options)) if options else named
    asked = named.plugin.after_warmup != type(named.plugin).after_warmup
    if asked and (reason := _without_warmup(named.plugin)):
        faults.append(Fault(join(path, "after_warmup"), f"{named.name} {reason}; leave `after_warmup` out"))
        return None
    return named


def document_of(method: Method) -> dict[str, Any]:
    """The options of a method as its entry has them; those that it leaves to their defaults are left out."""
    found: dict[str, Any] = {}
    if method.sampler is not None and "sampler" not in _fields(method):
        plain = adapter(type(method.sampler)).dump_python(method.sampler, mode="json")
        found["sampler"] = stated({"name": method.sampler.name, **plain})
    if method.after_warmup != type(method).after_warmup and "after_warmup" not in _fields(method):
        found["after_warmup"] = method.after_warmup
    return found


def takes_sampler(cls: type[Method]) -> bool:
    """True for a class of methods whose scores a sampler turns into a subset."""
    return _without_sampler(cls) == ""


def takes_after_warmup(cls: type[Method]) -> bool:
    """True for a class of the table whose methods have a warm-up, and no field `after_warmup` of their own."""
    return "after_warmup" not in _fields(cls) and _without_warmup(cls()) == ""


def _fields(method: Method | type[Method]) -> set[str]:
    return {field.name for field in dataclasses.fields(method)}  # type: ignore[arg-type]  # every method is a dataclass


def _sampler(given: Any, path: str, faults: list[Fault]) -> SubsetSampler | None:
    found = bind(given, PluginTable(SAMPLERS, "choose", _no_own_sampler), path, faults)
    return None if found is None else found.plugin


def _no_own_sampler(name: str, methods: str) -> type:
    """Refuse a sampler from outside the table."""
    raise EdgesimError(f"there is no '{name}', and no sampler of your own; allowed: {', '.join(SAMPLERS)}")


def _after_warmup(given: Any, path: str, faults: list[Fault]) -> str:
    if given not in USES:
        faults.append(Fault(path, f"must be one of {', '.join(USES)}; got {kind_of(given)}{nearest(given, USES)}"))
    return str(given)


def _without_warmup(method: Method) -> str:
    """Reason why a method has no use for `after_warmup`; empty where it has one, or cannot say what it needs."""
    if method.dynamic:
        return "chooses while it trains, so its training begins by itself"
    some = Shard(4, np.zeros(4, np.int64), num_classes=2, batch_size=2, epochs=1, warmup_steps=2)
    try:
        with user_code.boundary("", own=user_code.is_own(method)):
            return "" if method.needs(some).steps else "has no warm-up"
    except EdgesimError:
        return ""  # said by `task_checks`


def _check_sampler(named: NamedPlugin, sampler: SubsetSampler, path: str, faults: list[Fault]) -> None:
    """Find a sampler that the method has no use for, or that contradicts its `balance`."""
    if reason := _without_sampler(type(named.plugin)):
        faults.append(Fault(path, f"{named.name} {reason}; leave `sampler` out"))
    elif unused := _unused(named.plugin):
        told = " and ".join(f"`{one}`" for one in unused)
        message = f"{named.name} reads {told} only where it chooses the sampler itself"
        faults.append(
            Fault(path, f"{message}; leave {told} out and give {sampler.name} its own arguments, or no sampler")
        )
    elif sampler.sets_class_shares and named.plugin.balance == "class" != type(named.plugin).balance:
        message = f"{sampler.name} keeps equally many of every class, `balance: class` keeps each class's share"
        faults.append(Fault(path, f"{message}; give one of them"))


def _unused(method: Method) -> list[str]:
    """Fields with another value than their default that a `sampler` of the scenario leaves unread."""
    return [one for one in type(method).of_own_sampler if getattr(method, one) != getattr(type(method), one)]


def _without_sampler(cls: type[Method]) -> str:
    """Reason why a class of methods takes no sampler; empty where it takes one."""
    if cls.keeps_all:
        return "keeps every sample, so there is no subset to choose"
    if cls.dynamic:
        return "chooses while it trains and has no scores before"
    return "" if cls.choose is Method.choose else "chooses its subset by itself and hands no scores to a sampler"
