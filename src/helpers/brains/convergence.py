"""When a training is done, and whether it reached what it must: the linear optimum."""

from collections.abc import Iterable, Mapping, Sequence


def is_flat(losses: Sequence[float], window: int = 2, tolerance: float = 0.005) -> bool:
    """Whether the validation loss has become flat.

    Parameters
    ----------
    losses : sequence of float
        One per validation, in order.
    window : int
        Number of validations looked back.
    tolerance : float
        Flat: the best of the last ``window`` losses is less than this share below the best before.
    """
    if len(losses) <= window:
        return False
    return min(losses[-window:]) > (1 - tolerance) * min(losses[:-window])


def gap(loss: float, linear_loss: float) -> float:
    """How far a loss lies above (+) or below (−) the linear optimum of its L and β, as a share."""
    return loss / linear_loss - 1


def check_losses(rows: Iterable[Mapping[str, float]]) -> list[str]:
    """What is wrong with the losses of a grid, a sentence each.

    Named are every network above the linear optimum of its L and β, and every larger L that ended
    with a larger loss than a smaller one of the same β and seed: training, not capacity.

    Parameters
    ----------
    rows : iterable of mappings with latent_dim, beta, seed, loss, linear_loss
        All losses on the same images, at the posterior mean.
    """
    rows = sorted(rows, key=lambda row: (row["beta"], row["seed"], row["latent_dim"]))
    above = [
        f"{_name(row)} has the loss {row['loss']:.2f}, {gap(row['loss'], row['linear_loss']):.1%} "
        f"above the linear optimum {row['linear_loss']:.2f}: train longer"
        for row in rows
        if row["loss"] > row["linear_loss"]
    ]
    rising = [
        f"{_name(after)} ended with the loss {after['loss']:.2f}, above {before['loss']:.2f} at "
        f"L = {before['latent_dim']}: training, not capacity"
        for before, after in zip(rows, rows[1:])
        if (before["beta"], before["seed"]) == (after["beta"], after["seed"])
        and after["loss"] > before["loss"]
    ]
    return above + rising


def _name(row: Mapping[str, float]) -> str:
    return f"L = {row['latent_dim']}, β = {row['beta']:g}, seed {row['seed']}"
