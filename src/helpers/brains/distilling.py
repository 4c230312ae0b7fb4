"""A quick start for the β-VAE: the published network first learns what the linear VAE knows.

From a random start the network spends most of a short training on what has a closed form. Here it
starts at, or beyond, the linear optimum of `helpers.brains.linear_vae`, in three steps that one
network per seed takes for a whole grid of L and β:

1. "Looks-linear" weights (Balduzzi et al. 2017): every layer computes in pairs a and −a, so that
   ReLU(a) − ReLU(−a) = a passes all layers. The network is linear, of full rank, and has its kinks
   where the images are.
2. Distilling: the encoder learns the scores of images on the eigenvectors, the decoder the linear
   picture of drawn scores; apart, and with as many samples as wanted, for the linear model draws
   them for nothing.
3. Nested training (after Rippel et al. 2014): the loss itself, with the last latents switched off
   at random, so that the network serves any smaller L.

`started` then cuts the network to its L and sets the posterior's width and the latents' scale to
those of its β, by the closed form. All of this is ours, the architecture is the paper's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from helpers import training
from helpers.brains.linear_vae import LinearVAE
from helpers.brains.vae import BetaVAE

SMALLEST = 4  # latents that nested training never switches off: the smallest L of the paper's grid
EPOCH = 100  # updates between two looks at the loss


@dataclass(frozen=True, eq=False)
class Start:
    """What trainings of one seed have in common.

    Attributes
    ----------
    linear : LinearVAE
        Fitted to the training images: the optimum that a network must reach.
    net : BetaVAE or None
        What `distil` made of it; None where networks start at random weights.
    """

    linear: LinearVAE
    net: BetaVAE | None = None


def distil(
    linear: LinearVAE,
    images: np.ndarray,
    *,
    updates: tuple[int, int, int] = (300, 700, 600),
    batch_size: int = 32,
    seed: int = 0,
    place: training.Place = training.HERE,
) -> BetaVAE:
    """Make the common start of all networks with up to ``linear.latent_dim`` latents.

    Parameters
    ----------
    linear : LinearVAE
        Fitted to the same images with the largest L of the grid; nested training uses its β.
    images : ndarray, (N, H, W)
        The training images.
    updates : (int, int, int)
        Of the encoder, of the decoder, and of both in nested training; 0 leaves a step out.
    place : helpers.training.Place

    Returns
    -------
    BetaVAE
        With the L and β of ``linear``; give it to `started`.
    """
    torch.manual_seed(seed)
    model = BetaVAE(linear.image_shape, linear.latent_dim, linear.beta).standardise(images)
    looks_linear(model)
    with torch.no_grad():  # the posterior's width in the linear optimum is the same for all images
        model.encoder[-1].weight[linear.latent_dim :] = 0
        model.encoder[-1].bias[linear.latent_dim :] = torch.from_numpy(np.log(linear.variance))
    images = np.asarray(images, np.float32)
    weight = torch.from_numpy(linear.eigenvalues / linear.eigenvalues.mean() + 1).float()

    def encoder_batches(epoch: int, generator: np.random.Generator) -> Iterator[tuple]:
        for chosen in _choices(len(images), batch_size, generator):
            picture, scores = images[chosen], linear.scores(images[chosen])
            # Half of the images keep what the linear model leaves out and get other scores.
            other = np.where(
                generator.random((len(chosen), 1)) < 0.5,
                generator.standard_normal(scores.shape),
                scores,
            )
            picture = picture + linear.picture(other - scores) - linear.mean
            yield _tensors(picture[:, None], other * linear.shrinkage)

    def decoder_batches(epoch: int, generator: np.random.Generator) -> Iterator[tuple]:
        for _ in range(EPOCH):
            z = generator.standard_normal((batch_size, linear.latent_dim))
            z *= _kept(len(z), linear.latent_dim, 2 * linear.latent_dim, generator)
            yield _tensors(z, linear.decode(z)[:, None].clip(0, 1))

    def nested_batches(epoch: int, generator: np.random.Generator) -> Iterator[tuple]:
        for chosen in _choices(len(images), batch_size, generator):
            kept = _kept(len(chosen), linear.latent_dim, 2 * linear.latent_dim, generator)
            yield _tensors(images[chosen][:, None], kept)

    def encoder_loss(model: BetaVAE, batch: tuple) -> dict[str, torch.Tensor]:
        difference = model.posterior(batch[0])[0] - batch[1]
        return {"loss": (difference.square() * weight.to(difference.device)).sum(1).mean()}

    def decoder_loss(model: BetaVAE, batch: tuple) -> dict[str, torch.Tensor]:
        return {"loss": (model.generate(batch[0]) - batch[1]).square().sum((1, 2, 3)).mean()}

    steps = (
        (model.encoder, encoder_batches, encoder_loss, 4e-3, 0.0),
        (model.decoder, decoder_batches, decoder_loss, 4e-3, 0.0),
        (model, nested_batches, nested_loss, 1e-3, 0.98),
    )
    for count, (part, batches, loss, rate, average) in zip(updates, steps):
        if count:
            training.train(
                model,
                batches,
                loss,
                torch.optim.Adam(part.parameters(), lr=rate, fused=True),
                training.Schedule(
                    max_epochs=count,
                    max_steps=count,
                    rate=None if average else training.cosine(count),
                    average=average,
                    seed=seed,
                ),
                replace(place, checkpoint=None),
            )
    return model


def nested_loss(
    model: BetaVAE, batch: tuple[torch.Tensor, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The β-VAE's loss on images (N, 1, H, W) where only the ``kept`` latents (N, L) count."""
    images, kept = batch
    mean, logvar = model.posterior(images)
    z = (mean + torch.randn_like(mean) * torch.exp(0.5 * logvar)) * kept
    error = (model.generate(z) - images).square().sum((1, 2, 3)).mean()
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar) * kept
    return {"loss": model.total(error, kl.mean(0))}


@torch.no_grad()
def started(start: BetaVAE, linear: LinearVAE, latent_dim: int, beta: float) -> BetaVAE:
    """The network of one L and β, cut from the common start.

    The first L latents are kept. What a latent of one draws along its eigenvector, and the width of
    its posterior, change with β as they do in the linear optimum; a latent that β silences there
    starts silent.

    Parameters
    ----------
    start, linear
        What `distil` returned and was given.

    Raises
    ------
    ValueError
        if the two do not belong together, or the start has fewer latents than asked for.
    """
    found, expected = [(m.image_shape, m.latent_dim, m.beta) for m in (start, linear)]
    if found != expected:
        raise ValueError(
            f"the start has image size, L, β = {found}, the linear VAE {expected}: "
            "give the one that it was distilled from"
        )
    before, after = linear.at(latent_dim), linear.at(latent_dim, beta)
    model = BetaVAE(start.image_shape, latent_dim, beta)
    for name, tensor in model.state_dict().items():
        if tensor.shape == start.state_dict()[name].shape:
            tensor.copy_(start.state_dict()[name])
    ratio = np.divide(after.gain, before.gain, out=np.zeros(latent_dim), where=before.active)
    scale = torch.from_numpy(ratio).float()
    wider = torch.from_numpy(np.log(after.variance / before.variance)).float()
    for name, own in model.encoder[-1].named_parameters():
        mean, logvar = start.encoder[-1].get_parameter(name).split(start.latent_dim)
        each = scale.view(-1, *[1] * (own.ndim - 1))
        own.copy_(torch.cat([mean[:latent_dim] * each, logvar[:latent_dim]]))
    model.encoder[-1].bias[latent_dim:] += wider
    model.decoder[0].weight.copy_(start.decoder[0].weight[:, :latent_dim] * scale)
    return model.to(memory_format=torch.channels_last)


@torch.no_grad()
def looks_linear(model: BetaVAE, output: float = 0.3) -> None:
    """Give every layer orthogonal weights in pairs of opposite sign, so that the network is linear.

    Between two layers the second half of the channels is the first with its sign changed; after
    ReLU the next layer takes their difference. ``output`` scales what the decoder draws at first.
    """
    for half in (model.encoder, model.decoder):
        layers = [layer for layer in half if hasattr(layer, "weight")]
        for layer in layers:
            # Dimensions of the weights: outputs and inputs, inputs and outputs where transposed.
            paired = [layer is not layers[-1], layer is not layers[0]]
            if isinstance(layer, nn.ConvTranspose2d):
                paired.reverse()
            first, second, *taps = layer.weight.shape
            sides = [side // (1 + pair) for side, pair in zip((first, second), paired)]
            weight = nn.init.orthogonal_(torch.empty(*sides, *taps))
            for dim in (0, 1):
                if paired[dim]:
                    weight = torch.cat([weight, -weight], dim)
            layer.weight.copy_(weight)
            nn.init.zeros_(layer.bias)
    model.decoder[-1].weight.mul_(output)


def _choices(count: int, batch_size: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """About `EPOCH` batches of indices, as whole passes over ``count`` images."""
    size = min(batch_size, count)
    for _ in range(max(1, round(EPOCH * size / count))):
        order = generator.permutation(count)
        yield from order[: count // size * size].reshape(-1, size)


def _kept(count: int, latents: int, longest: int, generator: np.random.Generator) -> np.ndarray:
    """Which of the latents (count, latents) stay: the first `SMALLEST` to ``longest`` of them."""
    smallest = min(SMALLEST, latents)
    lengths = generator.integers(smallest, longest + 1, (count, 1))
    return (np.arange(latents) < lengths).astype(np.float32)


def _tensors(*arrays: np.ndarray) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(np.asarray(array, np.float32)) for array in arrays)
