"""What notebooks declare as parameters, and what a profile and the command line set them to."""

import ast
import difflib
import tokenize
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from helpers.book import ranges
from helpers.book.root import from_root, project_root


class UsageError(ValueError):
    """The request is wrong: an unknown notebook or parameter, or a value of the wrong type."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a notebook: its default, and what it means, with its unit."""

    default: Any
    meaning: str


def notebooks() -> list[str]:
    """Return the names of all notebooks, in order."""
    return sorted(path.stem for path in (project_root() / "notebooks").glob("[0-9][0-9]_*.py"))


def declared(notebook: str) -> dict[str, Parameter]:
    """Return the parameters a notebook declares, from its percent source.

    The meaning of one is the comment behind it, or on the lines above it.

    Raises
    ------
    UsageError
        If there is no such notebook.
    """
    path = from_root("notebooks") / f"{notebook}.py"
    if not path.is_file():
        raise UsageError(
            f"unknown notebook {notebook!r}{near(notebook, notebooks())}; "
            f"there are {', '.join(notebooks())}"
        )
    cell, inside = [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# %%"):
            inside = "parameters" in line
        elif inside:
            cell.append(line)
    source = "\n".join(cell)
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found, above = {}, 1
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            said = [
                comments[line] for line in range(above, node.end_lineno + 1) if line in comments
            ]
            found[node.targets[0].id] = Parameter(ast.literal_eval(node.value), " ".join(said))
        above = node.end_lineno + 1
    return found


def declared_parameters(notebook: str) -> dict[str, Any]:
    """Return the parameters a notebook declares, with their defaults."""
    return {name: parameter.default for name, parameter in declared(notebook).items()}


def read_profile(name: str) -> dict[str, dict[str, Any]]:
    """Return a profile, ``{notebook: {parameter: value}}``: a named one, or a YAML file.

    Raises
    ------
    UsageError
        If it does not exist, is not YAML, or has another form.
    """
    named = project_root() / "notebooks" / "profiles" / f"{name}.yml"
    path = named if named.is_file() else Path(name)
    if not path.is_file():
        profiles = "quick, thorough, paper"
        raise UsageError(f"--profile {name}: expected {profiles}, or a YAML file that exists")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"--profile {name}: not YAML ({error})") from None
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise UsageError(f"--profile {name}: expected {{notebook: {{parameter: value}}}}")
    return content


def chosen_values(
    names: list[str], profile: dict, overrides: list[str]
) -> dict[str, dict[str, Any]]:
    """Return the values of all parameters of the named notebooks.

    Parameters
    ----------
    names : list of str
        Notebooks.
    profile : dict
        ``{notebook: {parameter: value}}``; other notebooks than the named ones may stand there.
    overrides : list of str
        ``name=value`` or ``notebook.name=value``; values are YAML. They win over the profile.

    Raises
    ------
    UsageError
        Unknown notebook or parameter, or a value of the wrong type.
    """
    values = {name: declared_parameters(name) for name in names}
    defaults = {name: dict(row) for name, row in values.items()}
    for name, row in (profile or {}).items():
        if name not in notebooks():
            raise UsageError(
                f"the profile names an unknown notebook {name!r}{near(name, notebooks())}"
            )
        for parameter, value in row.items() if name in values else ():
            values[name][parameter] = _typed(name, parameter, value, defaults[name])
    for text in overrides:
        left, sign, right = text.partition("=")
        if not sign:
            raise UsageError(f"-p {text}: expected name=value")
        notebook, dot, parameter = left.rpartition(".")
        if dot and notebook not in values:
            raise UsageError(
                f"-p {text}: {notebook!r} is not among the selected notebooks"
                f"{near(notebook, names)}"
            )
        takers = [notebook] if dot else [name for name in names if parameter in values[name]]
        if not takers:
            known = sorted({name for row in values.values() for name in row})
            raise UsageError(
                f"-p {text}: no selected notebook has a parameter {parameter!r}"
                f"{near(parameter, known)}"
            )
        try:
            value = yaml.safe_load(right)
        except yaml.YAMLError:
            raise UsageError(
                f"-p {text}: the value {right!r} does not parse; "
                "expected a value such as 3, 0.5, fast or [2, 8]"
            ) from None
        for name in takers:
            values[name][parameter] = _typed(name, parameter, value, defaults[name])
    return values


def _typed(notebook: str, parameter: str, value: Any, defaults: dict[str, Any]) -> Any:
    """Return ``value`` if the notebook declares that parameter with a default of the same type."""
    if parameter not in defaults:
        raise UsageError(
            f"{notebook} has no parameter {parameter!r}{near(parameter, list(defaults))}"
        )
    default = defaults[parameter]
    wanted = type(default)
    if wanted is float and type(value) is int:
        value = float(value)
    if default is None or type(value) is wanted:
        wrong = ranges.fault(notebook, parameter, value, default)
        if wrong:
            raise UsageError(f"{notebook}.{parameter}: found {value!r}; {wrong}")
        return value
    raise UsageError(
        f"{notebook}.{parameter}: found {value!r} ({type(value).__name__}); "
        f"expected {wanted.__name__}, such as {default!r}"
    )


def near(word: str, known: list[str]) -> str:
    """Return a hint at the known word that is spelled most alike, or nothing."""
    begun = [name for name in known if word and name.startswith(word)]
    alike = begun or difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {alike[0]!r}?)" if alike else ""
