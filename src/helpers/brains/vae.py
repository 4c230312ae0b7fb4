"""The β-VAE of paper C and its special case, the VAE (β = 1); what the latents of a model hold."""

from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from helpers import model_files
from helpers.brains.pca_baseline import PCABaseline, checked_images, checked_latents

PAPER_SHAPE = (320, 448)
FILTERS, HIDDEN = 32, 256
INACTIVE_NATS = 0.1  # a latent with less KL than this on held-out images is not active


def halvings(image_shape: tuple[int, int]) -> int:
    """Number of stride-2 stages for images of this size: six at 320×448, fewer for smaller images.

    The largest number up to six that divides both sides and leaves 4 to 31 px of each.

    Raises
    ------
    ValueError
        if there is none; the message names a size that fits.
    """
    h, w = image_shape
    for stages in range(6, 0, -1):
        if all(side % 2**stages == 0 and 4 <= side // 2**stages <= 31 for side in (h, w)):
            return stages
    fit = fitting_shape(image_shape)
    remedy = f"cropped to {fit[0]}×{fit[1]} they do" if fit else "the smallest size is 8×8"
    raise ValueError(
        f"images of {h}×{w} px do not fit the network: one power of two, 2 to 64, must go 4 to 31 "
        f"times into both sides (as with 320×448, 160×224, 80×112, 256×256); {remedy}"
    )


def fitting_shape(image_shape: tuple[int, int]) -> tuple[int, int] | None:
    """The size to crop images to so that they fit the network: with the most halvings that keep
    nine tenths of the area.

    None if nothing fits; the largest size that does where all of them cost more.
    """
    fits = [
        tuple(min(side // 2**stages, 31) * 2**stages for side in image_shape)
        for stages in range(6, 0, -1)
        if min(image_shape) >= 4 * 2**stages
    ]
    large = (shape for shape in fits if prod(shape) >= 0.9 * prod(image_shape))
    return next(large, max(fits, key=prod, default=None))


class Transposed(nn.ConvTranspose2d):
    """A transposed convolution that adds its bias apart: on a processor the gradient of a fused
    bias costs more than all others.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images (N, C, h, w) -> (N, C', 2h, 2w) at stride 2, (N, C', h + 1, w + 1) at stride 1."""
        x = functional.conv_transpose2d(x, self.weight, None, self.stride, self.padding)
        return x.add_(self.bias[:, None, None].to(x.dtype))


class BetaVAE(nn.Module):
    """β-VAE in the manner of DC-GAN (paper C, §2.1), with ``encode`` and ``decode`` on plain
    arrays.

    Six 4×4 convolutions of stride 2 and one of stride 1, padding 1, 32 filters and ReLU each, then
    fully connected layers of 256, 256 and 2L; the decoder mirrors them and ends in a sigmoid. The
    loss is the squared error summed over pixels, without ½, averaged over images, plus β times the
    KL divergence to N(0, I). β is stated for 320×448 px: for images of r times fewer pixels the KL
    term is divided by r too, so that one β means one trade-off.

    Parameters
    ----------
    image_shape : (int, int)
        Height and width in px. Smaller images drop stride-2 stages; see `halvings` for the sizes
        that fit.
    latent_dim : int
        L.
    beta : float
        Weight of the KL term; 1 is the plain VAE.

    Raises
    ------
    ValueError
        If L or β is out of range, or images of this size do not fit the network.
    """

    def __init__(
        self,
        image_shape: tuple[int, int] = PAPER_SHAPE,
        latent_dim: int = 8,
        beta: float = 3.0,
    ) -> None:
        super().__init__()
        if latent_dim < 1 or beta < 0:
            raise ValueError(f"expected latent_dim ≥ 1 and beta ≥ 0, found {latent_dim} and {beta}")
        self.image_shape = tuple(map(int, image_shape))
        self.latent_dim, self.beta = int(latent_dim), float(beta)
        self.config = {
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "beta": self.beta,
        }
        self.pixel_ratio = prod(PAPER_SHAPE) / prod(self.image_shape)
        stages = halvings(self.image_shape)
        widths, strides = [1] + stages * [FILTERS], stages * [2] + [1]
        # 4×6 after the stride-1 stage, at every paper size
        small = (FILTERS, *(side // 2**stages - 1 for side in self.image_shape))
        flat = prod(small)

        def with_relu(layers: list[nn.Module]) -> list[nn.Module]:
            # In place: on a processor these layers wait for memory.
            return [part for layer in layers for part in (layer, nn.ReLU(inplace=True))]

        down = [nn.Conv2d(w, FILTERS, 4, stride, 1) for w, stride in zip(widths, strides)]
        self.encoder = nn.Sequential(
            *with_relu(down),
            nn.Flatten(),
            *with_relu([nn.Linear(flat, HIDDEN), nn.Linear(HIDDEN, HIDDEN)]),
            nn.Linear(HIDDEN, 2 * self.latent_dim),
        )
        mirrored = zip(reversed(widths), reversed(strides))
        up = [Transposed(FILTERS, w, 4, stride, 1) for w, stride in mirrored]
        dense = [(self.latent_dim, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, flat)]
        self.decoder = nn.Sequential(
            *with_relu([nn.Linear(*sizes) for sizes in dense]),
            nn.Unflatten(1, small),
            *with_relu(up)[:-1],
        )

        # Zero in the published network; `standardise` puts the mean image here.
        self.register_buffer("input_mean", torch.zeros(1, 1, *self.image_shape))
        self.register_buffer("input_scale", torch.ones(()))
        self.register_buffer("output_logit", torch.zeros(1, 1, *self.image_shape))

    @torch.no_grad()
    def standardise(self, images: np.ndarray) -> "BetaVAE":
        """Measure images from their mean: our deviation, for short trainings only.

        The input is standardised (minus the mean image, over the standard deviation around it), and
        the logit of the mean image is added before the sigmoid. Returns the network itself.

        Parameters
        ----------
        images : ndarray, (N, H, W)
            The training images.
        """
        images = np.asarray(images, np.float32)
        mean_image = torch.from_numpy(images.mean(0))[None, None]
        self.input_mean.copy_(mean_image)
        self.input_scale.fill_(1 / max(float((images - images.mean(0)).std()), 1e-6))
        self.output_logit.copy_(torch.logit(mean_image.clamp(0.005, 0.995)))
        return self

    def posterior(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, 1, H, W) -> mean and log-variance of q(z | x), each (N, L) float32."""
        return self.encoder((images - self.input_mean) * self.input_scale).float().chunk(2, dim=1)

    def generate(self, z: torch.Tensor) -> torch.Tensor:
        """(N, L) -> images (N, 1, H, W) float32 in (0, 1)."""
        return torch.sigmoid(self.decoder(z).float() + self.output_logit)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(N, 1, H, W) -> reconstruction (N, 1, H, W), mean (N, L), logvar (N, L); samples z only
        while training.
        """
        mean, logvar = self.posterior(images)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * logvar) if self.training else mean
        return self.generate(z), mean, logvar

    def terms(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (N, 1, H, W) -> squared error summed over pixels (scalar) and KL per latent in
        nats (L,), both means.
        """
        reconstruction, mean, logvar = self(images)
        error = (reconstruction - images).square().sum((1, 2, 3)).mean()
        return error, kl_per_latent(mean, logvar)

    def total(self, error: torch.Tensor, kl: torch.Tensor) -> torch.Tensor:
        """The loss: error + β/r · KL summed over latents."""
        return error + self.beta / self.pixel_ratio * kl.sum()

    # ------------------------------------------------------------ arrays in, arrays out

    def _batched(
        self, function: Callable[[torch.Tensor], torch.Tensor], values: np.ndarray
    ) -> np.ndarray:
        """The function of all values, in evaluation mode; of none too, for the shape."""
        device, was_training = self.input_mean.device, self.training
        # On a processor the activations of a small batch stay in cache.
        size = 32 if device.type == "cpu" else 256
        self.eval()
        with torch.inference_mode():
            parts = [
                function(torch.from_numpy(values[start : start + size]).to(device)).cpu()
                for start in range(0, len(values) or 1, size)
            ]
        self.train(was_training)
        return torch.cat(parts).numpy()

    def encode_distribution(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images (N, H, W) -> mean and log-variance of the posterior, each (N, L) float32."""
        images = checked_images(images, self.image_shape)
        both = self._batched(lambda x: torch.cat(self.posterior(x[:, None]), 1), images)
        return both[:, : self.latent_dim], both[:, self.latent_dim :]

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Images (N, H, W) -> posterior means (N, L) float32."""
        return self.encode_distribution(images)[0]

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Latents (N, L) -> images (N, H, W) float32."""
        return self._batched(lambda z: self.generate(z)[:, 0], checked_latents(z, self.latent_dim))


def load(path: Path) -> BetaVAE:
    """Read a model that `model_files.save` wrote, in the layout that convolutions run fast in."""
    return model_files.load(BetaVAE, path).to(memory_format=torch.channels_last)


# ---------------------------------------------------------------- what the latents hold


def kl_per_latent(mean: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """KL(q(z|x) ‖ N(0, I)) per latent in nats, averaged over images: (N, L) twice -> (L,)."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean(0)


def active_latents(model: BetaVAE | PCABaseline, images: np.ndarray) -> np.ndarray:
    """Indices of the latents with at least 0.1 nat on these images; for a PCA all of them."""
    if not hasattr(model, "encode_distribution"):
        return np.arange(model.latent_dim)
    mean, logvar = (torch.from_numpy(x).double() for x in model.encode_distribution(images))
    return np.flatnonzero(kl_per_latent(mean, logvar) >= INACTIVE_NATS)


def mean_loss(model: BetaVAE, images: np.ndarray, kl_weight: float) -> float:
    """Squared error summed over pixels at the posterior mean plus ``kl_weight`` times the KL
    divergence, mean over images (N, H, W), in float32: also of a `linear_vae.LinearVAE`.
    """
    mean, logvar = model.encode_distribution(images)
    kl = kl_per_latent(*(torch.from_numpy(x).double() for x in (mean, logvar))).sum()
    squares = np.square(model.decode(mean) - images, dtype=np.float64)
    return float(squares.sum((1, 2)).mean() + kl_weight * kl)


def reconstruct(model: BetaVAE | PCABaseline, images: np.ndarray) -> np.ndarray:
    """Images (N, H, W) -> their reconstructions (N, H, W)."""
    return model.decode(model.encode(images))


def reconstruction_uncertainty(
    model: BetaVAE, images: np.ndarray, samples: int = 32, seed: int = 0
) -> np.ndarray:
    """Standard deviation per pixel of reconstructions from draws of the posterior: (N, H, W) -> (N,
    H, W).
    """
    rng = np.random.default_rng(seed)
    mean, logvar = model.encode_distribution(images)
    total, squares = np.zeros(images.shape), np.zeros(images.shape)
    for _ in range(samples):
        drawn = model.decode(mean + rng.standard_normal(mean.shape) * np.exp(0.5 * logvar))
        total += drawn
        squares += drawn.astype(np.float64) ** 2
    return np.sqrt(np.clip(squares / samples - (total / samples) ** 2, 0, None)).astype(np.float32)
