"""Reading weights files that others wrote: PyTorch state dictionaries, layer by layer, whatever
their names.
"""

from __future__ import annotations

from pathlib import Path

import torch


def read_layers(path):
    """The weights and biases of a PyTorch file.

    Parameters
    ----------
    path : path
        A file holding a state dictionary, plainly or under a key such as ``state_dict``.

    Returns
    -------
    list of (weight, bias)
        Tensors, in the order of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be opened without running code, holds no tensors, or has a layer without
        a bias.
    """
    path = Path(path)
    state = _read_state_dict(path)
    layers = []
    for name, weight in state.items():
        if not name.endswith("weight"):
            continue
        bias = state.get(name[: -len("weight")] + "bias")
        if bias is None:
            raise ValueError(f"{path}: layer {name!r} has no bias")
        layers.append((weight, bias))
    return layers


def _read_state_dict(path):
    if not path.is_file():
        raise FileNotFoundError(f"no such weights file: {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files make the unpickler fail in many ways
        raise ValueError(
            f"{path}: not a PyTorch file of plain tensors (only those are opened, because others can run code): "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    for _ in range(2):  # {"model": {"state_dict": {...}}}
        if isinstance(content, dict) and not any(torch.is_tensor(v) for v in content.values()):
            content = next((v for v in content.values() if isinstance(v, dict) and v), content)
    if not isinstance(content, dict) or not any(torch.is_tensor(v) for v in content.values()):
        raise ValueError(
            f"{path}: expected a state dictionary of tensors, found {type(content).__name__} without any"
        )
    return {name: value for name, value in content.items() if torch.is_tensor(value)}
