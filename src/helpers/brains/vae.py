"""The β-VAE of paper C, its special case the VAE (β = 1), and a PCA baseline behind the same
``encode``/``decode``.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

PAPER_SHAPE = (320, 448)
FILTERS, HIDDEN = 32, 256
INACTIVE_NATS = 0.01  # a latent with less KL than this carries nothing


def halvings(image_shape):
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
        f"images of {h}×{w} px do not fit the network: one power of two, 2 to 64, must go 4 to 31 times into both sides "
        f"(as with 320×448, 160×224, 80×112, 256×256); {remedy}"
    )


def fitting_shape(image_shape):
    """The size to crop images to so that they fit the network: with the most halvings that keep
    nine tenths of the area.

    None if nothing fits; the largest size that does where all of them cost more.
    """
    h, w = image_shape
    fits = [
        tuple(min(side // 2**s, 31) * 2**s for side in (h, w))
        for s in range(6, 0, -1)
        if min(h, w) >= 4 * 2**s
    ]
    area = lambda shape: shape[0] * shape[1]  # noqa: E731
    return next(
        (shape for shape in fits if area(shape) >= 0.9 * h * w), max(fits, key=area, default=None)
    )


class Transposed(nn.ConvTranspose2d):
    """A transposed convolution that adds its bias apart: on a processor the gradient of a fused
    bias costs more than all others.
    """

    def forward(self, x):
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
    """

    def __init__(self, image_shape=PAPER_SHAPE, latent_dim=8, beta=3.0):
        super().__init__()
        if latent_dim < 1 or beta < 0:
            raise ValueError(f"expected latent_dim ≥ 1 and beta ≥ 0, found {latent_dim} and {beta}")
        self.image_shape, self.latent_dim, self.beta = (
            tuple(map(int, image_shape)),
            int(latent_dim),
            float(beta),
        )
        stages = halvings(self.image_shape)
        self.pixel_ratio = (
            PAPER_SHAPE[0] * PAPER_SHAPE[1] / (self.image_shape[0] * self.image_shape[1])
        )
        h, w = (
            side // 2**stages - 1 for side in self.image_shape
        )  # 4×6 after the stride-1 stage, at every paper size
        flat = FILTERS * h * w

        # ReLU in place: on a processor these layers wait for memory.
        down = []
        for stage in range(stages + 1):
            stride = 2 if stage < stages else 1
            down += [
                nn.Conv2d(FILTERS if stage else 1, FILTERS, 4, stride, 1),
                nn.ReLU(inplace=True),
            ]
        self.encoder = nn.Sequential(
            *down, nn.Flatten(), nn.Linear(flat, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(),
            nn.Linear(HIDDEN, 2 * self.latent_dim))  # fmt: skip

        up = [Transposed(FILTERS, FILTERS, 4, 1, 1)]
        for stage in range(stages):
            up += [
                nn.ReLU(inplace=True),
                Transposed(FILTERS, FILTERS if stage < stages - 1 else 1, 4, 2, 1),
            ]
        self.decoder = nn.Sequential(
            nn.Linear(self.latent_dim, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(),
            nn.Linear(HIDDEN, flat), nn.ReLU(), nn.Unflatten(1, (FILTERS, h, w)), *up)  # fmt: skip

        # Zero in the published network; `quick_start` puts the mean image here.
        self.register_buffer("input_mean", torch.zeros(1, 1, *self.image_shape))
        self.register_buffer("input_scale", torch.ones(()))
        self.register_buffer("output_logit", torch.zeros(1, 1, *self.image_shape))

    @torch.no_grad()
    def quick_start(self, images):
        """Start the training at the mean image with informative latents: our deviation, for short
        trainings only.

        He initialisation, log-variance bias −4, input standardised (minus the mean image, over the
        standard deviation around it), the logit of the mean image added before the sigmoid, and the
        last transposed convolution at zero: otherwise the first updates only silence the decoder's
        random output, and its features die with it.

        Parameters
        ----------
        images : ndarray, (N, H, W)
            The training images.
        """
        images = np.asarray(images, np.float32)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
            elif isinstance(
                layer, nn.ConvTranspose2d
            ):  # each output pixel sees 16 / stride² of the kernel's taps
                nn.init.normal_(
                    layer.weight, std=(2 * layer.stride[0] ** 2 / (16 * layer.in_channels)) ** 0.5
                )
                nn.init.zeros_(layer.bias)
        self.decoder[-1].weight.zero_()
        self.encoder[-1].bias[self.latent_dim :] = -4.0
        mean_image = torch.from_numpy(images.mean(0))[None, None]
        self.input_mean.copy_(mean_image)
        self.input_scale.fill_(1 / max(float((images - images.mean(0)).std()), 1e-6))
        self.output_logit.copy_(torch.logit(mean_image.clamp(0.005, 0.995)))
        return self

    def posterior(self, images):
        """(N, 1, H, W) -> mean and log-variance of q(z | x), each (N, L) float32."""
        return self.encoder((images - self.input_mean) * self.input_scale).float().chunk(2, dim=1)

    def generate(self, z):
        """(N, L) -> images (N, 1, H, W) float32 in (0, 1)."""
        return torch.sigmoid(self.decoder(z).float() + self.output_logit)

    def forward(self, images):
        """(N, 1, H, W) -> reconstruction (N, 1, H, W), mean (N, L), logvar (N, L); samples z only
        while training.
        """
        mean, logvar = self.posterior(images)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * logvar) if self.training else mean
        return self.generate(z), mean, logvar

    def terms(self, images):
        """Images (N, 1, H, W) -> squared error summed over pixels (scalar) and KL per latent in
        nats (L,), both means.
        """
        reconstruction, mean, logvar = self(images)
        return (reconstruction - images).square().sum((1, 2, 3)).mean(), _kl(mean, logvar)

    def total(self, error, kl, share=1.0):
        """The loss: error + β/r · KL summed over latents; ``share`` < 1 while the KL term is warmed
        up.
        """
        return error + share * self.beta / self.pixel_ratio * kl.sum()

    # ------------------------------------------------------------ arrays in, arrays out

    def _batched(self, function, x):
        device = self.input_mean.device
        batch = (
            32 if device.type == "cpu" else 256
        )  # on a processor the activations of a small batch stay in cache
        was_training = self.training
        self.eval()
        with torch.inference_mode():
            batches = (
                torch.from_numpy(np.ascontiguousarray(x[i : i + batch]))
                for i in range(0, len(x), batch)
            )
            parts = [function(part.to(device)) for part in batches]
        self.train(was_training)
        return parts

    def encode_distribution(self, images):
        """Images (N, H, W) -> mean and log-variance of the posterior, each (N, L) float32."""
        images = np.asarray(images, np.float32)
        if images.ndim != 3 or images.shape[1:] != self.image_shape:
            raise ValueError(
                f"expected images (N, {self.image_shape[0]}, {self.image_shape[1]}), found {images.shape}"
            )
        parts = self._batched(
            lambda x: torch.cat(self.posterior(x[:, None]), 1).cpu().numpy(), images
        )
        both = np.concatenate(parts) if parts else np.zeros((0, 2 * self.latent_dim), np.float32)
        return both[:, : self.latent_dim], both[:, self.latent_dim :]

    def encode(self, images):
        """Images (N, H, W) -> posterior means (N, L) float32."""
        return self.encode_distribution(images)[0]

    def decode(self, z):
        """Latents (N, L) -> images (N, H, W) float32."""
        z = np.asarray(z, np.float32)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"expected latents (N, {self.latent_dim}), found {z.shape}")
        parts = self._batched(lambda x: self.generate(x)[:, 0].cpu().numpy(), z)
        return np.concatenate(parts) if parts else np.zeros((0, *self.image_shape), np.float32)


class PCABaseline:
    """PCA behind the same interface; latents are scaled to unit variance, as the VAE's prior has
    it.

    Attributes
    ----------
    mean : ndarray, (H, W)
    components : ndarray, (L, H, W), orthonormal
    scale : ndarray, (L,), standard deviation of each score over the training images
    """

    def __init__(self, mean, components, scale):
        self.mean, self.components, self.scale = (
            np.asarray(x, np.float32) for x in (mean, components, scale)
        )
        self.image_shape, self.latent_dim = self.mean.shape, len(self.components)

    @classmethod
    def fit(cls, images, latent_dim, seed=0):
        """Fit on images (N, H, W); ValueError if there are too few of them for so many components."""
        from sklearn.decomposition import PCA

        images = np.asarray(images, np.float32)
        if not 1 <= latent_dim < len(images):
            raise ValueError(
                f"a PCA of {latent_dim} components needs more images than that, found {len(images)}"
            )
        pca = PCA(latent_dim, svd_solver="randomized", random_state=seed).fit(
            images.reshape(len(images), -1)
        )
        shape = images.shape[1:]
        scale = np.sqrt(pca.explained_variance_)
        return cls(
            pca.mean_.reshape(shape),
            pca.components_.reshape(-1, *shape),
            np.where(scale > 0, scale, 1),
        )

    def truncated(self, latent_dim):
        """The same PCA with its first components only."""
        if not 1 <= latent_dim <= self.latent_dim:
            raise ValueError(
                f"this PCA has {self.latent_dim} components, {latent_dim} were asked for"
            )
        return PCABaseline(self.mean, self.components[:latent_dim], self.scale[:latent_dim])

    def encode(self, images):
        """Images (N, H, W) -> scores (N, L) in standard deviations."""
        images = np.asarray(images, np.float32)
        if images.ndim != 3 or images.shape[1:] != self.image_shape:
            raise ValueError(
                f"expected images (N, {self.image_shape[0]}, {self.image_shape[1]}), found {images.shape}"
            )
        flat = (images - self.mean).reshape(len(images), -1)
        return flat @ self.components.reshape(self.latent_dim, -1).T / self.scale

    def decode(self, z):
        """Scores (N, L) -> images (N, H, W); not clipped to [0, 1]."""
        z = np.asarray(z, np.float32)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"expected latents (N, {self.latent_dim}), found {z.shape}")
        flat = (z * self.scale) @ self.components.reshape(self.latent_dim, -1)
        return self.mean + flat.reshape(-1, *self.image_shape)


# ---------------------------------------------------------------- what the latents hold


def _kl(mean, logvar):
    """KL(q(z|x) ‖ N(0, I)) per latent in nats, averaged over images: (N, L) -> (L,). Tensors."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean(0)


def kl_per_latent(mean, logvar):
    """KL divergence of the posterior from N(0, 1) per latent, in nats, averaged over images: (N, L)
    twice -> (L,).
    """
    mean, logvar = np.asarray(mean, np.float64), np.asarray(logvar, np.float64)
    return 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar).mean(0)


def active_latents(model, images):
    """Indices of the latents that carry at least 0.01 nat on these images; for a PCA all of them."""
    if not hasattr(model, "encode_distribution"):
        return np.arange(model.latent_dim)
    return np.flatnonzero(kl_per_latent(*model.encode_distribution(images)) >= INACTIVE_NATS)


def reconstruct(model, images):
    """Images (N, H, W) -> their reconstructions (N, H, W)."""
    return model.decode(model.encode(images))


def reconstruction_uncertainty(model, images, samples=32, seed=0):
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


# ---------------------------------------------------------------- stored weights


def save(model, path):
    """Write a model as safetensors, with its image size, L and β."""
    from safetensors.torch import save_file

    facts = {
        "rows": model.image_shape[0],
        "columns": model.image_shape[1],
        "latent_dim": model.latent_dim,
        "beta": model.beta,
    }
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()
    }
    save_file(weights, path, metadata={key: repr(value) for key, value in facts.items()})


def load(path):
    """Read a model written by `save`; ValueError if the file is something else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as stored:
            facts = stored.metadata() or {}
            weights = {name: stored.get_tensor(name) for name in stored.keys()}
        model = BetaVAE(
            (int(facts["rows"]), int(facts["columns"])),
            int(facts["latent_dim"]),
            float(facts["beta"]),
        )
        model.load_state_dict(weights)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"{path} is not a β-VAE written by vae.save ({error}): train it again"
        ) from error
    return model.to(
        memory_format=torch.channels_last
    ).eval()  # the layout that convolutions run fast in
