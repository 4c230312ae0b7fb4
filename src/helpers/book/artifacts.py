"""Keyed, atomic, locked storage: a result is made once, and again only when what made it changes."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from helpers.data.files import lock, write_json


@dataclass(frozen=True)
class Artifact:
    """A stored result: what it was made from (``key``), where it lies, and its value in memory."""

    key: str
    path: Path
    value: Any


def artifact(
    root: Path,
    name: str,
    parameters: dict,
    make: Callable[[Path], None],
    load: Callable[[Path], Any],
    *,
    inputs: Iterable[str] = (),
    methods: Iterable[ModuleType] = (),
) -> Artifact:
    """Return a stored result, making it first if it is not there.

    Parameters
    ----------
    root : Path
        Folder that holds all artifacts of a run.
    name : str
        What it is, for people: the folder is ``<name>-<first 12 digits of the key>``.
    parameters : dict
        Everything that shapes the result; must survive JSON.
    make : callable
        ``make(folder)`` writes the result into ``folder``. If it is interrupted, the same folder is
        given again next time, so that long work may leave a checkpoint there and resume.
    load : callable
        ``load(folder)`` returns the value.
    inputs : iterable of str
        Keys of the artifacts and fingerprints of the datasets that it is made from.
    methods : iterable of modules
        The modules that compute it. Their code counts, with all modules of this package they
        import; comments and docstrings do not.

    Notes
    -----
    Two processes that ask for the same artifact do not make it twice: the second one waits.
    """
    description = {
        "name": name,
        "parameters": _plain(parameters, name),
        "inputs": sorted(inputs),
        "methods": _methods_hash(methods),
        "make": _code_hash(make.__code__),
    }
    key = _digest(json.dumps(description, sort_keys=True))
    folder = root / f"{name}-{key[:12]}"
    if not folder.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        with lock(root / f".{folder.name}.lock"):
            if not folder.is_dir():
                partial = root / f".{folder.name}.partial"
                partial.mkdir(exist_ok=True)
                start = time.perf_counter()
                make(partial)
                write_json(
                    partial / "artifact.json",
                    {**description, "key": key, "seconds": round(time.perf_counter() - start, 2)},
                )
                partial.rename(folder)
    try:
        return Artifact(key, folder, load(folder))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder} cannot be read ({error}); expected the files of a finished {name}. "
            "Delete that folder and run again: it will be made anew."
        ) from error


def code_hash(source: str) -> str:
    """Return a hash of Python source that ignores comments, layout and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            node.body = body[1:] or [ast.Pass()]
    return _digest(ast.dump(tree))


def _methods_hash(modules: Iterable[ModuleType]) -> str:
    """Return one hash over the code of modules and of every module of this package they import."""
    names: set[str] = set()
    waiting = [module.__name__ for module in modules]
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            waiting.extend(_module_facts(name)[1])
    return _digest("".join(name + _module_facts(name)[0] for name in sorted(names)))


@cache
def _module_facts(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the code hash of a module of this package and the names of those it imports."""
    package = __name__.split(".")[0]
    source = Path(importlib.util.find_spec(name).origin).read_text(encoding="utf-8")
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package:
            imported.add(node.module)
            imported.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            imported.update(
                alias.name for alias in node.names if alias.name.split(".")[0] == package
            )
    modules = tuple(
        sorted(
            candidate for candidate in imported if candidate != package and _is_module(candidate)
        )
    )
    return code_hash(source), modules


def _is_module(name: str) -> bool:
    if name in sys.modules:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # `helpers.book.claims.record`: a function, not a module
        return False


def _code_hash(code: CodeType) -> str:
    """Return a hash of a compiled function, nested functions included; where it stands does not
    count.
    """
    constants = [_code_hash(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return _digest(repr((code.co_code, code.co_names, constants)))


def _plain(parameters: dict, name: str) -> dict:
    """Return parameters as plain JSON values; arrays and objects do not belong in a key."""

    def convert(value):
        if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
            return value.item()
        raise TypeError(
            f"artifact {name}: a parameter is a {type(value).__name__}; "
            "expected numbers, text, lists or mappings of them (pass large inputs by key)"
        )

    return json.loads(json.dumps(parameters, sort_keys=True, default=convert))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
