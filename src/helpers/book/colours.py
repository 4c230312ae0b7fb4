"""Colours of areas: the papers' where they name one, never two alike, the same on every page."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from matplotlib.colors import hsv_to_rgb, to_rgb

# Colours of B Fig. 1, so that an area looks the same on every page; other names take the spare ones
# in order.
AREA_COLOURS = {
    "cortex": "#5b8bd0",
    "hypothalamus": "#9b72b0",
    "striatum": "#f2c200",
    "vp": "#cf8bbd",
    "wm": "#f28c28",
    "zi": "#5fb548",
    "trn": "#4cb8b0",
}
SPARE_COLOURS = (
    "#8c6d53",
    "#d1495b",
    "#3d7a78",
    "#7f7f7f",
    "#b5cf6b",
    "#6b6ecf",
    "#e7969c",
    "#31a354",
    "#bd9e39",
)
#: Colours of the areas at hand, by name; see `name_areas`.
_OWN: dict[str, tuple] = {}
#: The name under which `AREA_COLOURS` knows who plays a role.
_ROLES = {"thalamus_vp": "vp", "white_matter": "wm", "zona_incerta": "zi"}


def name_areas(
    areas: Sequence[str],
    roles: Mapping[str, Sequence[str]] | None = None,
    colours: Mapping[str, str] | None = None,
) -> None:
    """Give the areas of a dataset their colours, for every figure from here on.

    Parameters
    ----------
    areas : sequence of str
        All of them, in class order.
    roles : mapping, optional
        Role to areas: an area that plays one has its colour, whatever its name.
    colours : mapping, optional
        The reader's own, by name.
    """
    _OWN.clear()
    wanted = {name: AREA_COLOURS.get(name.casefold()) for name in areas}
    for role, names in (roles or {}).items():
        colour = AREA_COLOURS.get(_ROLES.get(role, role))
        if names and wanted.get(names[0]) is None and colour not in wanted.values():
            wanted[names[0]] = colour
    wanted |= dict(colours or {})
    _OWN.update({name: to_rgb(wanted[name]) for name in areas if wanted[name]})
    _OWN.update(zip([name for name in areas if not wanted[name]], _spare(list(_OWN.values()))))


def area_colours(areas: Sequence[str]) -> list[tuple]:
    """Return one RGB colour per area name: the same name always has the same, two names two."""
    known = {
        name: _OWN.get(name) or to_rgb(AREA_COLOURS[name.casefold()])
        for name in areas
        if name in _OWN or name.casefold() in AREA_COLOURS
    }
    spare = _spare(list(known.values()))
    return [known[name] if name in known else next(spare) for name in areas]


def _spare(taken: list[tuple]) -> Iterator[tuple]:
    """Yield colours that nobody has: the spare ones, then hues a golden angle apart."""
    steps = (0.618034 * step % 1 for step in itertools.count())
    hues = (
        tuple(hsv_to_rgb((hue, (0.85, 0.5)[i // 3 % 2], (0.9, 0.6, 0.75)[i % 3])))
        for i, hue in enumerate(steps)
    )
    taken, nearest = [*taken], 0.12
    for colour in itertools.chain(map(to_rgb, SPARE_COLOURS), hues):
        if all(math.dist(colour, other) >= nearest for other in taken):
            taken.append(colour)
            yield colour
        else:
            nearest *= 0.98  # however many there are, a colour is found
