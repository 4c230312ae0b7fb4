"""Trained models as safetensors files that know how to build them again."""

import json
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

M = TypeVar("M", bound=nn.Module)


def save(model: nn.Module, path: Path, **facts: object) -> None:
    """Write the weights of a model and its ``config``, the arguments of its class.

    `facts` are plain values that whoever gets the file wants to know, for instance the names of
    classes.
    """
    weights = {key: value.cpu().contiguous() for key, value in model.state_dict().items()}
    header = {type(model).__name__: model.config, **facts}
    save_file(weights, path, metadata={key: json.dumps(value) for key, value in header.items()})


def load(kind: type[M], path: Path) -> M:
    """Read a model of a class that `save` wrote; it is in evaluation mode.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file holds something else.
    """
    try:
        with safe_open(path, "pt") as stored:
            model = kind(**json.loads((stored.metadata() or {})[kind.__name__]))
        model.load_state_dict(load_file(path))
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"{path} is not a {kind.__name__} that helpers.model_files.save wrote ({error}): "
            "make it again"
        ) from error
    return model.eval()
