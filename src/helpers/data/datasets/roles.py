"""Which of a dataset's areas is the cortex, the white matter, …: as the manifest says, or by name.

The papers speak of six areas. Whoever calls them otherwise says so in the manifest::

    roles: {cortex: Ctx, white_matter: [IC, CC], thalamus_vp: VPM, striatum: null}
"""

from collections.abc import Sequence

from helpers.data.datasets.manifest import did_you_mean, unquoted
from helpers.data.datasets.reading import Folder

#: Names by which an area is known for what it is, without the manifest's word.
ALIASES = {
    "cortex": ("cortex", "ctx", "cx", "neocortex", "isocortex", "cerebralcortex"),
    "striatum": ("striatum", "str", "cp", "caudoputamen", "caudateputamen"),
    "thalamus_vp": ("vp", "vpm", "vpl", "vb", "ventralposterior", "ventrobasal", "thalamusvp"),
    "white_matter": (
        "wm", "whitematter", "ic", "internalcapsule", "cc", "corpuscallosum", "fibertracts",
        "fibretracts",
    ),
    "zona_incerta": ("zi", "zonaincerta"),
    "hypothalamus": ("hypothalamus", "hy", "hyp", "hth"),
}  # fmt: skip


def read_roles(folder: Folder, areas: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the areas that play each role, none for a role that nobody plays.

    What ``roles`` of the manifest leaves out goes by the names in `ALIASES`; ``null`` or ``[]``
    says that there is none. Only white matter may be several areas.
    """
    given = folder.value(
        folder.manifest,
        "roles",
        lambda value: isinstance(value, dict),
        "a mapping of roles to areas",
        "Write for example `{cortex: Ctx, white_matter: [IC, CC]}`.",
    )
    roles = {role: guessed(role, areas) for role in ALIASES}
    for role, value in (given or {}).items():
        names = value if isinstance(value, list) else [] if value is None else [value]
        if role not in ALIASES:
            hint = did_you_mean(str(role), ALIASES, "Remove it.")
            folder.note(f"roles.{role}", "an unknown role", f"one of {', '.join(ALIASES)}", hint)
            continue
        for name in names:
            if name not in areas:
                hint = did_you_mean(str(name), areas, "Name an area of `areas`, or null for none.")
                if name is not None and (words := unquoted(name)):
                    hint = words[1]
                folder.note(f"roles.{role}", repr(name)[:80], f"one of {', '.join(areas)}", hint)
        if len(names) > 1 and role != "white_matter":
            words = f"{len(names)} areas", "one area", "Give them one name under `areas` to join."
            folder.note(f"roles.{role}", *words)
        roles[role] = tuple(name for name in names if name in areas)
    return roles


def guessed(role: str, areas: Sequence[str]) -> tuple[str, ...]:
    """The areas whose names say that they play a role: the best known one, all for white matter."""
    plain = {name: "".join(filter(str.isalnum, name.casefold())) for name in areas}
    found = [name for alias in ALIASES[role] for name, known in plain.items() if known == alias]
    return tuple(found if role == "white_matter" else found[:1])
