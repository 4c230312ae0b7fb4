"""What a stored result depends on: every definition of this package that its stage reaches.

A result must be made anew when what made it changes, and only then. So its key holds the source of
the stage function, of every function, class and constant that this one names, of all that those
name in turn, and so on. Comments, docstrings, layout and annotations do not count, and neither does
the book's own machinery.
"""

import ast
import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = __name__.partition(".")[0]
ASIDE = (f"{PACKAGE}.book.", f"{PACKAGE}.data.files.")  # how results are stored shapes none of them

Place = tuple[str, str]  # module, name of a definition in it


def digest(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def reached_hash(function: Callable) -> str:
    """Return one hash over all code that a function reaches (for a nested one: the outer's too).

    Raises
    ------
    ValueError
        If the function was typed into a notebook, or is none that a module defines by name.
    """
    if not getattr(sys.modules.get(getattr(function, "__module__", "")), "__file__", None):
        raise ValueError(
            f"the code of {function!r} cannot be followed, because no file holds it; define it in "
            "a module, so that its result is made anew when it changes"
        )
    found = reached((function.__module__, function.__qualname__.partition(".")[0]))
    return digest("".join(f"{module}.{name}{text}" for (module, name), text in found.items()))


def reached(start: Place) -> dict[Place, str]:
    """Return every definition reached from one, sorted by place, with the hash of its code.

    Raises
    ------
    ValueError
        A name of this package that no module defines, so that it cannot be followed.
    """
    found: dict[Place, str] = {}
    waiting = [start]
    while waiting:
        place = waiting.pop()
        if place not in found:
            definition = _module(place[0]).definitions[place[1]]
            found[place] = definition.hash
            for name, attributes in definition.names.items():
                waiting.extend(_resolved(place[0], name, attributes))
    return dict(sorted(found.items()))


def code_hash(source: str) -> str:
    """Return a hash of Python source that ignores comments, docstrings, layout and annotations."""
    return digest(_plain(ast.parse(source)))


@dataclass(frozen=True)
class Definition:
    """A name that a module binds: the hash of its code, and the names it uses, with attributes."""

    hash: str
    names: dict[str, frozenset[str]]


@dataclass(frozen=True)
class Module:
    """Definitions of a module by name, and what its imports bind.

    ``imports`` are those of this package, (module, name or "") each; ``outside`` says in a text
    where a name from elsewhere comes from.
    """

    definitions: dict[str, Definition]
    imports: dict[str, set[Place]]
    outside: dict[str, str]


def module_source(module: str) -> str:
    """Return the source text of a module, imported or not."""
    loaded = getattr(sys.modules.get(module), "__file__", None)
    return Path(loaded or find_spec(module).origin).read_text(encoding="utf-8")


@cache
def _module(name: str) -> Module:
    statements: dict[str, list[ast.stmt]] = {}
    tree = ast.parse(module_source(name))
    for node in tree.body:
        for bound in _bound_names(node):
            statements.setdefault(bound, []).append(node)
    imports: dict[str, set[Place]] = {}
    outside: dict[str, str] = {}
    for node in ast.walk(tree):  # those inside functions too
        for alias in node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
            bound = alias.asname or alias.name.partition(".")[0]
            origin = getattr(node, "module", None) or ""
            place = (origin, alias.name) if isinstance(node, ast.ImportFrom) else (alias.name, "")
            if _is_ours(place[0], name):
                imports.setdefault(bound, set()).add(place)
            else:
                outside[bound] = outside.get(bound, "") + f"{bound} is {'.'.join(place)};"
    definitions = {bound: _definition(nodes, outside) for bound, nodes in statements.items()}
    return Module(definitions, imports, outside)


def _is_ours(module: str, importer: str) -> bool:
    return module.partition(".")[0] in (PACKAGE, importer)


def _bound_names(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement of a module binds or changes."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(
        node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.For, ast.If, ast.Try, ast.With)
    ):
        names = {
            part.id
            for part in ast.walk(node)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        }
        if isinstance(node, ast.Assign):  # `TABLE["key"] = …` changes TABLE
            names |= {
                target.value.id
                for target in node.targets
                if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name)
            }
        yield from sorted(names)


def _definition(nodes: list[ast.stmt], outside: dict[str, str]) -> Definition:
    names: dict[str, set[str]] = {}
    text = ""
    for node in nodes:
        text += _plain(node)  # annotations are gone from here on: a type shapes nothing
        inside = {
            id(part.value): part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)
        }
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                names.setdefault(part.id, set()).add(inside.get(id(part), ""))
    text += "".join(outside.get(name, "") for name in sorted(names))  # what outside names stand for
    return Definition(digest(text), {name: frozenset(used) for name, used in names.items()})


def _plain(tree: ast.AST) -> str:
    """Return a syntax tree as text after taking docstrings and annotations out of it, in place."""
    return ast.dump(_Plain().visit(tree))


class _Plain(ast.NodeTransformer):
    """Takes docstrings and annotations out of a tree."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if getattr(node, "body", None) == []:
            node.body = [ast.Pass()]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        for part in node.body:  # an annotated name is a field of a dataclass, another is none
            if isinstance(part, ast.AnnAssign):
                part.annotation, part.simple = ast.Constant(None), 2
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.simple == 2:  # a field
            return self.generic_visit(node)
        return node.value and self.generic_visit(ast.Assign([node.target], node.value))


def _resolved(module: str, name: str, attributes: frozenset[str]) -> Iterator[Place]:
    """Yield the definitions that a name in a module stands for; none for names from outside."""
    here = _module(module)
    if name in here.definitions:
        yield module, name
    for origin, imported in here.imports.get(name, ()):
        submodule = f"{origin}.{imported}".rstrip(".")
        if f"{submodule}.".startswith(ASIDE):
            continue
        if not _is_module(submodule):
            found = list(_resolved(origin, imported, frozenset()))
            if not found and imported not in _module(origin).imports:
                raise ValueError(
                    f"{module} takes {imported} from {origin}, where it is not defined; "
                    "import it from the module that defines it, so that keys can follow it"
                )
            yield from found
            continue
        for attribute in attributes:
            if (
                attribute in _module(submodule).definitions
                or attribute in _module(submodule).imports
            ):
                yield from _resolved(submodule, attribute, frozenset())
            else:  # the module itself is handed on, or asked for what it does not define: all of it
                yield from ((submodule, each) for each in _module(submodule).definitions)


@cache
def _is_module(name: str) -> bool:
    try:
        return name in sys.modules or find_spec(name) is not None
    except ModuleNotFoundError:  # `helpers.data.patches.SIZE`: its parent is no package
        return False
