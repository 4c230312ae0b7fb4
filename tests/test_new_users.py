"""Six datasets unlike the phantoms: what check foresees, what stages make of them, all pages."""

from pathlib import Path

import new_users
import numpy as np
import pytest
import yaml

from helpers.brains import preparation
from helpers.cli import main
from helpers.data import datasets
from helpers.data.datasets import DatasetError


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("users")
    makers = {**new_users.MICROCT, **new_users.POPULATIONS}
    del makers["hundredfifty"]
    return {name: make(base / name) for name, make in makers.items()}


FORESEEN = {
    "two": ["12 of 16 bits are in use", "bits: 12", "no area known as cortex"],
    "twelve": ["no area known as thalamus_vp", "Bands of depth stand in"],
    "layers": ["found outer, granular, deep, multiform", "no area known as striatum"],
    "thirty": [r"γδ, $\epsilon$: under 4 pixels once shrunk 2-fold"],
    "no_atlas": ["Page 11 is not run", "no list of clean images"],
}


@pytest.mark.parametrize("name", FORESEEN)
def test_check_foresees_what_pages_will_say(name, folders, capsys):
    assert main(["check", str(folders[name])]) == 0
    words = capsys.readouterr().out
    for said in (*FORESEEN[name], "errors: 0, warnings: 0", "minutes on two cores"):
        assert said in words


def test_roles_go_by_alias_or_by_the_manifest(folders):
    data = datasets.open_microct(folders["twelve"])
    assert data.roles["cortex"] == ("Ctx",) and data.roles["striatum"] == ("CP",)
    assert data.roles["white_matter"] == ("internal capsule",)
    assert data.roles["zona_incerta"] == ("Zona Incerta",) and not data.role("thalamus_vp")
    assert data.areas[data.role("cortex")[0] - 1] == "Ctx"
    assert datasets.open_microct(folders["layers"]).roles["cortex"] == ("Pallium",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"roles": {"cortex": "Ctxx"}}, "roles.cortex: found 'Ctxx'"),
        ({"roles": {"cortx": "Ctx"}}, "Did you mean `cortex`?"),
        ({"roles": {"cortex": ["Ctx", "CP"]}}, "2 areas; expected one area"),
        ({"roles": "Ctx"}, "a mapping of roles to areas"),
        ({"colours": {"Ctx": "blue"}}, "quote the colour"),
        ({"colours": {"Ct": "#112233"}}, "Did you mean `Ctx`?"),
        ({"compare": "no"}, "compare: found 'no'; expected true or false"),
        ({"bits": 4}, "bits: found 4, while slices[0].image holds 8"),
        ({"pixel_size_um": None}, "pixel_size_um"),
    ],
)
def test_wishes_that_cannot_be_met(change, words, tmp_path):
    folder = new_users.twelve_areas(tmp_path / "twelve")
    manifest = yaml.safe_load((folder / "dataset.yml").read_text())
    (folder / "dataset.yml").write_text(yaml.safe_dump({**manifest, **change}))
    with pytest.raises(DatasetError, match=".*") as error:
        datasets.open_microct(folder)
    assert words in str(error.value)


def test_bits_of_the_camera_scale_gray_values(tmp_path):
    folder = new_users.two_areas(tmp_path / "two")
    dark = datasets.open_microct(folder).slices()[0].image
    assert dark.max() < 0.06
    manifest = yaml.safe_load((folder / "dataset.yml").read_text())
    (folder / "dataset.yml").write_text(yaml.safe_dump({**manifest, "bits": 12}))
    bright = datasets.open_microct(folder).slices()[0].image
    assert np.allclose(bright, dark * 65535 / 4095, atol=1e-6) and 0.5 < bright.max() <= 1


def test_no_training_slice_is_told_before_anything_starts(tmp_path, capsys):
    folder = new_users.two_areas(tmp_path / "two")
    text = (folder / "dataset.yml").read_text().replace("role: train", "role: test")
    (folder / "dataset.yml").write_text(text)
    assert main(["check", str(folder)]) == 1
    assert "no slice of role train" in capsys.readouterr().out
    out = tmp_path / "run"
    assert main(["run", "--microct", str(folder), "--out", str(out)]) == 2
    assert "no slice of role train" in capsys.readouterr().err and not out.exists()


def test_regions_that_vanish_are_left_out_by_name(folders):
    data = preparation.prepare(datasets.open_population(folders["thirty"]), rows=80)
    assert data.regions == ("α", "β-nucleus", "SSp", "HPF")
    assert set(np.unique(data.atlas)) == {0, 1, 2, 3, 4}
    assert data.steps[-1] == r"too small at this size, left out: γδ, $\epsilon$"
    whole = datasets.open_population(folders["thirty"])
    assert ((data.atlas == 4).mean() > 0) == ((whole.atlas == 6).mean() > 0)  # HPF keeps its place
    centre = whole.atlas[1::2, 1::2]
    assert (centre == 6).sum() == pytest.approx((data.atlas == 4).sum(), rel=0.1)


def test_a_small_test_set_holds_clean_and_damaged_images(folders):
    data = preparation.prepare(datasets.open_population(folders["thirty"]), rows=40)
    there = data.clean[data.test]
    assert there.sum() >= 2 and (~there).sum() >= 2
    everyone = np.concatenate([data.train, data.validation, data.test])
    assert sorted(everyone) == list(range(30))


def test_a_population_without_an_atlas_leaves_out_the_page_on_regions(folders, tmp_path):
    from helpers.book import execution

    given = {"population": str(folders["no_atlas"])}
    names = [job.notebook for job in execution.plan([], tmp_path / "run", given, {}, [])]
    assert "11_receptive_field" not in names and "10_projective_field" in names
    given = {"population": str(folders["thirty"])}
    names = [job.notebook for job in execution.plan([], tmp_path / "run", given, {}, [])]
    assert "11_receptive_field" in names


def test_layers_of_the_dataset_are_used_whatever_their_names(folders):
    """The cortex lies above the tract, its layers run from left to right: depth follows them."""
    from types import SimpleNamespace

    from helpers.tissue.stages import kmeans

    data = datasets.open_microct(folders["layers"])
    piece = data.slices("test")[0]
    grid = SimpleNamespace(piece=piece, at_grid=lambda image: image[::8, ::8])
    found = kmeans.cortical_layers(SimpleNamespace(microct=data), grid, piece.areas)
    assert found["annotated"] and found["layer_names"] == data.layers
    assert np.array_equal(found["layers"], piece.layers[::8, ::8])
    middle = found["depth"][25, 5:90]
    assert (np.diff(middle) > 0).mean() > 0.95
    words = kmeans.as_published(found["layers"], found["layer_names"])
    assert words.startswith("needs layers called L1, L2/3, L4, L5, L6; found outer")
    published = kmeans.as_published(np.array([0, 1, 2, 6]), ("L6", "L5", "L4", "L2/3", "L1", "x"))
    assert published.tolist() == [0, 5, 4, 0]


def test_a_plane_of_a_volume_is_a_slice(folders, tmp_path):
    import json

    import tifffile
    import zarr

    folder = new_users.two_areas(tmp_path / "two")
    plain = datasets.open_microct(folder)
    stack = np.zeros((201, *plain.slices()[0].image.shape), np.uint16)
    for z in (0, 100, 200):
        stack[z] = tifffile.imread(folder / f"z{z}.tif")
    (folder / "v.ome.zarr").mkdir()
    zarr.save_array(str(folder / "v.ome.zarr/0"), stack)
    scale = {"type": "scale", "scale": [5.0, 0.65, 0.65]}
    image = {
        "axes": [{"name": name, "unit": "micrometer"} for name in "zyx"],
        "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
    }
    (folder / "v.ome.zarr/.zgroup").write_text('{"zarr_format": 2}')
    (folder / "v.ome.zarr/.zattrs").write_text(json.dumps({"multiscales": [image]}))
    manifest = yaml.safe_load((folder / "dataset.yml").read_text())
    del manifest["pixel_size_um"]
    for entry in manifest["slices"]:
        entry["image"] = "v.ome.zarr"
    (folder / "dataset.yml").write_text(yaml.safe_dump(manifest))
    data = datasets.open_microct(folder)
    assert data.pixel_size_um == pytest.approx(0.65)
    for mine, theirs in zip(data.slices(), plain.slices()):
        assert np.array_equal(mine.image, theirs.image)
    manifest["slices"][0]["z"] = 500
    (folder / "dataset.yml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(DatasetError, match=r"a volume of 201 planes .*z = 500"):
        datasets.open_microct(folder)


@pytest.mark.long
@pytest.mark.parametrize("name", [*new_users.MICROCT, *new_users.POPULATIONS])
def test_all_pages_that_apply_run(name, tmp_path):
    kind = "microct" if name in new_users.MICROCT else "population"
    folder = {**new_users.MICROCT, **new_users.POPULATIONS}[name](tmp_path / name)
    profile = str(Path(__file__).parent / "tiny.yml")
    options = [f"--{kind}", str(folder), "--profile", profile, "--out", str(tmp_path / "run")]
    assert main(["run", *options]) == 0
