"""Dense features against the definition: cut every patch out and send it through the network."""

import mmap
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from helpers.tissue.network import classifier, dense, fragments
from helpers.tissue.network.classifier import AreaCNN
from helpers.tissue.network.winograd import WinogradLayers

TOLERANCE = 1e-5
RELATIVE = 2e-5  # of the largest feature, for features by Winograd's filtering


def random_network(seed=0, **arguments):
    """A network whose features are of order one, so that an absolute tolerance means something."""
    torch.manual_seed(seed)
    model = AreaCNN(**arguments)
    for layer in model.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.kaiming_normal_(layer.weight)
            torch.nn.init.normal_(layer.bias, std=0.1)
    with torch.no_grad():
        model.last_hidden.weight.mul_(0.1)
    return model


def noise(height, width, seed=0):
    return np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)


def cut(image, stride, side=128):
    """Every patch of a slice: (rows, columns, side, side)."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side))
    return windows[::stride, ::stride]


def patch_by_patch(model, image, stride=1):
    patches = cut(image, stride)
    features = classifier.patch_features(model, patches.reshape(-1, 128, 128), batch=16)
    return features.reshape(patches.shape[:2] + (64,))


def features_without_padding(model, patches):
    """The network's own weights without padding, on patches of any size: a second way."""
    x = torch.from_numpy(np.ascontiguousarray(patches))[:, None].expand(
        -1, model.config["channels"], -1, -1
    )
    with torch.no_grad():
        for layer in model.convolutions:
            x = F.max_pool2d(F.relu(F.conv2d(x, layer.weight, layer.bias)), 2)
        x = F.relu(F.linear(x.flatten(1), model.hidden.weight, model.hidden.bias))
        x = F.linear(x, model.last_hidden.weight, model.last_hidden.bias)
    return (F.relu(x) if model.last_relu else x).numpy()


@pytest.fixture(scope="module")
def model():
    return random_network()


@pytest.mark.parametrize(
    "stride, shape",
    [
        (1, (133, 145)),
        (2, (139, 153)),
        (3, (145, 149)),
        (6, (153, 166)),
        (8, (165, 167)),
        (12, (171, 165)),
        (16, (167, 177)),
        (37, (170, 203)),
    ],
)
def test_equal_to_patch_by_patch_at_every_position(model, stride, shape):
    image = noise(*shape, seed=stride)
    expected = patch_by_patch(model, image, stride)
    found = dense.dense_features(model, image, stride)
    assert found.dtype == np.float32
    assert (
        found.shape
        == expected.shape
        == ((shape[0] - 128) // stride + 1, (shape[1] - 128) // stride + 1, 64)
    )
    # Features of order one that differ between neighbours: being one position off could not pass.
    assert np.abs(expected[:, 1:] - expected[:, :-1]).mean() > 100 * TOLERANCE
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("stride", [1, 3, 8])
def test_tiles_and_blocks_do_not_show(model, stride, monkeypatch):
    image = noise(159, 173)
    whole = dense.dense_features(model, image, stride, tile=1000)
    monkeypatch.setattr(fragments, "BLOCK", 30)  # positions through the hidden layer at a time
    for tile in (20, 33, 1000):
        np.testing.assert_allclose(
            dense.dense_features(model, image, stride, tile=tile), whole, rtol=0, atol=TOLERANCE
        )


def test_the_smallest_slice_is_one_patch(model):
    image = noise(128, 128)
    np.testing.assert_allclose(
        dense.dense_features(model, image), patch_by_patch(model, image), rtol=0, atol=TOLERANCE
    )


@pytest.mark.parametrize("stride", [1, 2, 3, 8])
def test_released_padding_equals_larger_patches_without_padding(stride):
    model = random_network(**classifier.RELEASED)
    image = np.random.default_rng(0).random((139, 148)).astype(np.float32)
    found = dense.dense_features(model, image, stride)
    # Patches of 134x134 with their corner 3 pixels up and left; beyond the slice there are zeros.
    patches = cut(np.pad(image, 3), stride, side=134)
    assert patches.shape[:2] == found.shape[:2]
    patches, found = patches[::2, ::3], found[::2, ::3]  # enough of them
    expected = features_without_padding(model, patches.reshape(-1, 134, 134)).reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    assert (found < 0).any()  # no ReLU on these features


def test_padded_network_itself_where_the_surroundings_are_zero():
    # Padding of the first convolution alone is a rim of zeros around the patch: here the slice has
    # that rim.
    model = random_network(padding=(1, 0, 0, 0))
    patch = noise(128, 128)
    found = dense.dense_features(model, np.pad(patch, 1))[1, 1]
    np.testing.assert_allclose(
        found, classifier.patch_features(model, patch[None])[0], rtol=0, atol=TOLERANCE
    )
    # With tissue around it, the border of the patch sees that tissue.
    surrounded = dense.dense_features(model, np.pad(patch, 1, constant_values=1.0))[1, 1]
    assert np.abs(surrounded - found).max() > 100 * TOLERANCE


def test_other_paddings_and_channels():
    model = random_network(padding=(3, 2, 1, 1), channels=2)  # side 8, patches of 166
    image = noise(135, 140)
    patches = cut(np.pad(image, 19), 3, side=166)
    expected = features_without_padding(model, patches.reshape(-1, 166, 166)).reshape(
        patches.shape[:2] + (64,)
    )
    np.testing.assert_allclose(
        dense.dense_features(model, image, 3), expected, rtol=0, atol=TOLERANCE
    )


def test_several_channels_of_their_own():
    model = random_network(channels=3)
    image = np.stack([noise(140, 137, seed) for seed in range(3)])
    patches = np.stack([cut(channel, 3) for channel in image], axis=2)
    expected = classifier.patch_features(model, patches.reshape(-1, 3, 128, 128))
    found = dense.dense_features(model, image, 3)
    np.testing.assert_allclose(found.reshape(-1, 64), expected, rtol=0, atol=TOLERANCE)
    equal = dense.dense_features(model, np.broadcast_to(image[0], image.shape), 3)
    np.testing.assert_allclose(
        dense.dense_features(model, image[0], 3), equal, rtol=0, atol=TOLERANCE
    )


@pytest.mark.parametrize("stride, shape", [(1, (9, 7)), (3, (17, 31)), (8, (141, 30))])
def test_padded_every_pixel_is_a_centre(model, stride, shape):
    image = noise(*shape)
    found = dense.dense_features(model, image, stride, pad=True, pad_value=-2.5)
    surrounded = np.pad(image, ((64, 63), (64, 63)), constant_values=-2.5)
    assert (
        found.shape
        == dense.output_shape(shape, stride, pad=True)
        == (-(-shape[0] // stride), -(-shape[1] // stride), 64)
    )
    np.testing.assert_allclose(
        found, patch_by_patch(model, surrounded, stride), rtol=0, atol=TOLERANCE
    )


def test_centres_are_where_the_documentation_says():
    rows, columns = dense.centres((140, 131), stride=5)
    assert rows.tolist() == [64, 69, 74] and columns.tolist() == [64]
    rows, columns = dense.centres((12, 3), stride=5, pad=True)
    assert rows.tolist() == [0, 5, 10] and columns.tolist() == [0]


@pytest.mark.parametrize("pad", [False, True])
def test_mask_leaves_out_positions_by_their_centre(model, pad):
    image = noise(153, 165)
    mask = np.zeros(image.shape, bool)
    mask[65:80, 80:95] = True
    mask[88, 67] = True
    all_positions = dense.dense_features(model, image, 3, pad=pad)
    inside = mask[np.ix_(*dense.centres(image.shape, 3, pad))]
    assert inside.any() and not inside.all()
    out = np.full_like(all_positions, np.nan)
    found = dense.dense_features(model, image, 3, pad=pad, mask=mask, tile=30, out=out)
    np.testing.assert_allclose(
        found, np.where(inside[..., None], all_positions, 0), rtol=0, atol=TOLERANCE
    )


def blocks_computed(monkeypatch):
    """A list to which every block of features adds the method and how many positions it has."""
    computed = []

    def count(way, cls, name):
        original = getattr(cls, name)

        def counted(self, *arguments):
            features = original(self, *arguments)
            computed.append((way, *features.shape[:2]))
            return features

        monkeypatch.setattr(cls, name, counted)

    count("direct", fragments.FragmentNetwork, "direct")
    count("winograd", WinogradLayers, "block")
    return computed


def test_positions_outside_of_the_mask_cost_nothing(model, monkeypatch):
    computed = blocks_computed(monkeypatch)
    mask = np.zeros((300, 300), bool)
    mask[100:104, 110:115] = True
    dense.dense_features(model, noise(300, 300), mask=mask, tile=256)
    assert computed == [("direct", 4, 5)]


def test_writes_into_arrays_memory_maps_and_zarr(model, tmp_path):
    import zarr

    image = noise(150, 170)
    expected = dense.dense_features(model, image, 2)
    shape = dense.output_shape(image.shape, 2)
    assert shape == expected.shape
    mapped = np.lib.format.open_memmap(tmp_path / "features.npy", "w+", np.float32, shape)
    chunked = zarr.open(
        str(tmp_path / "features.zarr"), mode="w", shape=shape, chunks=(5, 7, 64), dtype="float32"
    )
    for out in (np.empty(shape, np.float32), mapped, chunked):
        assert dense.dense_features(model, image, 2, out=out, tile=33) is out
        np.testing.assert_allclose(out[:], expected, rtol=0, atol=TOLERANCE)
    mapped.flush()
    np.testing.assert_allclose(np.load(tmp_path / "features.npy"), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory use from /proc")
def test_pages_of_a_memory_map_do_not_pile_up(tmp_path):
    def resident():  # of this process, in pages
        return int(Path("/proc/self/statm").read_text().split()[1])

    out = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.float32, (4000, 4000))  # 64 MB
    out[:] = 1
    before = resident()
    dense._hand_back_pages(out)
    assert before - resident() > 0.9 * out.nbytes / mmap.PAGESIZE
    assert (out == 1).all()
    private = np.lib.format.open_memmap(tmp_path / "large.npy", "c")
    private[0] = 2
    dense._hand_back_pages(private)  # would forget what is not in the file
    assert (private[0] == 2).all()


@pytest.mark.parametrize("chunk, step", [(5, 30), (32, 32), (60, 60), (500, 32)])
def test_tiles_follow_chunks_of_reasonable_size(chunk, step):
    class Chunked:
        chunks = (chunk, chunk, 64)

    assert dense._tile_steps(Chunked(), 32) == [step, step]


def assert_equal_by_winograd(found, expected, limit=RELATIVE):
    assert found.shape == expected.shape
    assert 0 < np.abs(found - expected).max() < limit * np.abs(expected).max()


@pytest.mark.parametrize("stride", [1, 2, 4, 8, 16])
def test_winograd_equals_patch_by_patch(model, stride):
    # Odd sizes: a whole block and a part of one along the columns, a part along the rows.
    image = noise(127 + 7 * stride + 2, 127 + 70 * stride, seed=stride)
    patches = cut(image, stride)[::3, ::5]
    expected = classifier.patch_features(model, patches.reshape(-1, 128, 128))
    found = dense.dense_features(model, image, stride, method="winograd")[::3, ::5]
    assert_equal_by_winograd(found, expected.reshape(found.shape))


def test_winograd_of_the_released_network():
    model = random_network(**classifier.RELEASED)  # 6x6 cells, three channels, signed features
    image = np.random.default_rng(0).random((141, 150)).astype(np.float32)
    found = dense.dense_features(model, image, 2, method="winograd")
    patches = cut(np.pad(image, 3), 2, side=134)
    expected = features_without_padding(model, patches.reshape(-1, 134, 134))
    assert_equal_by_winograd(found, expected.reshape(found.shape))


def test_larger_tiles_are_less_exact(model):
    image = noise(240, 250)
    direct = dense.dense_features(model, image, 2, method="direct")
    found = dense.dense_features(model, image, 2, method="winograd10")
    assert_equal_by_winograd(found, direct, limit=5e-4)


def test_winograd_where_activations_are_large(model):
    image = noise(260, 260)
    image[40:60, 150:170] = 1e4
    direct = dense.dense_features(model, image, 2, method="direct")
    found = dense.dense_features(model, image, 2, method="winograd")
    assert np.abs(direct).max() > 1e3
    assert_equal_by_winograd(found, direct)  # relative to the largest, as float32 itself


def test_auto_multiplies_directly_where_that_is_faster(model, monkeypatch):
    computed = blocks_computed(monkeypatch)
    image = noise(127 + 140, 127 + 70)  # blocks of 64 x 64 positions, and what is left of 140 x 70
    found = dense.dense_features(model, image)
    assert computed == [
        *[("winograd", 64, 64), ("direct", 64, 6)] * 2,
        *[("direct", 12, 64), ("direct", 12, 6)],
    ]
    assert_equal_by_winograd(found, dense.dense_features(model, image, method="direct"))
    for arguments in (dict(stride=3), dict(dtype="bfloat16")):
        computed.clear()
        dense.dense_features(model, image, **arguments)
        assert {name for name, *_ in computed} == {"direct"}


def test_winograd_skips_blocks_without_a_position_of_interest(model, monkeypatch):
    image = noise(127 + 200, 127 + 130)
    everywhere = dense.dense_features(model, image)
    mask = np.zeros(image.shape, bool)
    rows, columns = dense.centres(image.shape)
    mask[rows[0] : rows[64], columns[0] : columns[60]] = True  # most of the first block
    mask[rows[150] : rows[155], columns[100] : columns[102]] = True  # 5 x 2 positions of another
    computed = blocks_computed(monkeypatch)
    found = dense.dense_features(model, image, mask=mask)
    assert computed == [("winograd", 64, 64), ("direct", 5, 2)]
    inside = mask[np.ix_(rows, columns)]
    assert (found[~inside] == 0).all()
    assert_equal_by_winograd(found[inside], everywhere[inside])


@pytest.fixture(scope="module")
def trained(tiny_microct):
    """A network after some steps of training on the tiny phantom; its standardised test slice."""
    from helpers.data import intensity, open_microct

    dataset = open_microct(tiny_microct)
    piece, test = dataset.slices("train")[0], dataset.slices("test")[0]
    windows = cut(intensity.standardise(piece.image)[0], 1)
    labels = piece.areas[64:-63, 64:-63]  # of the windows' centres
    places = [np.argwhere(labels == area) for area in np.unique(labels[labels > 0])]
    model, generator = random_network(), np.random.default_rng(0)
    optimizer, losses = torch.optim.Adam(model.parameters(), 1e-3), []
    for _ in range(40):
        chosen = [area[i] for area in places for i in generator.integers(len(area), size=4)]
        x = torch.from_numpy(np.stack([windows[i, j] for i, j in chosen]))[:, None]
        loss = F.cross_entropy(model(x), torch.arange(len(chosen)) // 4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])  # it has learned something
    return model.eval(), *intensity.standardise(test.image)


@pytest.mark.slow
def test_winograd_with_trained_weights(trained):
    model, image, _ = trained
    image = np.ascontiguousarray(image[200:393, 900:1093])
    found = dense.dense_features(model, image, method="winograd")[::5, ::7]
    patches = cut(image, 1)[::5, ::7]
    expected = classifier.patch_features(model, patches.reshape(-1, 128, 128))
    assert_equal_by_winograd(found, expected.reshape(found.shape), limit=5e-6)


@pytest.mark.slow
def test_winograd_changes_hardly_a_label_of_a_whole_slice(trained):
    model, image, scale = trained
    direct, winograd = (
        dense.dense_log_probabilities(model, image, 2, pad_value=scale.raw_zero, method=method)
        for method in ("direct", "winograd")
    )
    assert len(np.unique(direct.argmax(-1))) >= 4
    assert (direct.argmax(-1) != winograd.argmax(-1)).mean() < 1e-4
    assert np.abs(direct - winograd).max() < 1e-3


def test_bfloat16_is_close_but_not_equal(model):
    image = noise(140, 140)
    exact = dense.dense_features(model, image, 2)
    rough = dense.dense_features(model, image, 2, dtype="bfloat16")
    assert rough.dtype == np.float32
    error = np.linalg.norm(rough - exact) / np.linalg.norm(exact)
    assert 1e-4 < error < 0.03


def test_maps_equal_classified_patches(model):
    image = noise(141, 142)
    patches = cut(image, 2)
    expected = torch.from_numpy(
        classifier.apply_in_batches(model, model, patches.reshape(-1, 128, 128))
    )
    expected = F.log_softmax(expected, -1).numpy().reshape(patches.shape[:2] + (6,))
    found = dense.dense_log_probabilities(model, image, 2, pad=False)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_maps_cover_every_pixel_and_respect_the_mask(model):
    image = noise(14, 20)
    mask = image > 0
    found = dense.dense_log_probabilities(model, image, mask=mask)
    assert found.shape == image.shape + (6,)
    np.testing.assert_array_equal((found != 0).any(-1), mask)
    out = np.empty(found.shape, np.float32)
    assert dense.dense_log_probabilities(model, image, mask=mask, out=out) is out
    np.testing.assert_array_equal(out, found)
    assert dense.dense_log_probabilities(model, image, 7).shape == (2, 3, 6)


def test_model_is_left_as_it_was(model):
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    image = noise(130, 130)
    np.testing.assert_array_equal(
        dense.dense_features(model, image), dense.dense_features(model, image)
    )  # no dropout
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(image=np.zeros((127, 300))), "at least 128x128 pixels, found 127x300; pad=True"),
        (dict(image=np.zeros((3, 200, 200))), r"shape \(H, W\), found \(3, 200, 200\)"),
        (dict(image=np.full((130, 130), np.nan)), "not finite"),
        (dict(stride=0), "stride must be a whole number of at least 1, found 0"),
        (dict(stride=1.5), "found 1.5"),
        (dict(dtype="float16"), "float32, bfloat16, found 'float16'"),
        (dict(tile=0), "tile must be"),
        (dict(method="fast"), "auto, direct, winograd, winograd10, found 'fast'"),
        (dict(method="winograd", stride=3), "needs a stride that divides 16, found 3"),
        (dict(method="winograd", dtype="bfloat16"), "needs float32, found .*bfloat16"),
        (dict(out=np.empty((3, 4, 64))), r"shape \(3, 3, 64\) .* found \(3, 4, 64\)"),
        (dict(mask=np.ones((3, 3), bool)), r"slice's shape \(130, 130\), found \(3, 3\)"),
    ],
)
def test_errors_say_what_was_expected_and_found(model, arguments, message):
    arguments = {"image": np.zeros((130, 130)), **arguments}
    with pytest.raises(ValueError, match=message):
        dense.dense_features(model, **arguments)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("stride", [1, 3])
def test_gpu_equals_cpu(model, stride):
    image = noise(200, 220)
    on_cpu = dense.dense_features(model, image, stride)
    np.testing.assert_allclose(
        dense.dense_features(model, image, stride, device="cuda"), on_cpu, rtol=0, atol=TOLERANCE
    )
    rough = dense.dense_features(model, image, stride, device="cuda", dtype="bfloat16")
    assert np.linalg.norm(rough - on_cpu) / np.linalg.norm(on_cpu) < 0.03
