"""Parameters are checked before anything starts: one line, exit code 2, quickly."""

import time

import pytest
import yaml

from helpers.book import parameters, ranges
from helpers.book.root import project_root
from helpers.cli import main

WRONG = {
    "seeds=[]": "1 or more numbers in the list",
    "seeds=[a]": "whole numbers",
    "seeds=[1, 1]": "no number twice",
    "seeds=[-1]": "each 0 to",
    "recipe=slow": "expected one of fast, thorough, paper",
    "recipe='fast, epochs=-1'": "'epochs=-1'; expected 1 or more",
    "recipe='fast, patches_per_area=-5'": "'patches_per_area=-5'",
    "recipe='fast, epoch=3'": "the name one of patches_per_area, epochs",
    "recipe='fast, epochs=2.5'": "expected an int",
    "recipe='fast, learning_rate=0'": "above 0",
    "n_components=9": "expected 2 to 8",
    "n_components=0": "expected 2 to 8",
    "stride=0": "expected 1 to 128",
    "smoothing_um=-10": "expected 0 or more",
    "smoothing_um=.nan": "expected 0 or more",
    "latent_dim=0": "expected 1 to 512",
    "beta=1": "not 1: that is the VAE",
    "beta=0": "above 0",
    "box=[3]": "0 or 2 numbers",
    "05_cortical_kmeans.k=1": "expected 2 to 10",
    "08_vae_models.recipe=fast": "expected one of paper, quick, linear start",
    "compare_recipes=[slow]": "expected one of paper",
    "noise_variances=[0.1, b]": "expected numbers",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_value_is_told_before_anything_starts(text, tmp_path, capsys):
    start = time.perf_counter()
    assert main(["run", "--out", str(tmp_path / "run"), "-p", text]) == 2
    assert time.perf_counter() - start < 2
    words = capsys.readouterr().err.strip()
    assert WRONG[text] in words and "\n" not in words
    assert not (tmp_path / "run").exists()


def test_every_default_and_every_profile_lies_in_its_range():
    names = parameters.notebooks()
    root = project_root()
    profiles = [*(root / "notebooks/profiles").glob("*.yml"), root / "tests/tiny.yml"]
    for path in profiles:
        profile = yaml.safe_load(path.read_text()) or {}
        parameters.chosen_values(names, profile, [])
    for notebook in names:
        for name, default in parameters.declared_parameters(notebook).items():
            assert not ranges.fault(notebook, name, default, default), (notebook, name)


def test_every_number_has_a_range():
    """A parameter without one would be checked by nobody."""
    for notebook in parameters.notebooks():
        for name, default in parameters.declared_parameters(notebook).items():
            if type(default) in (int, float, list) and name not in (
                "compare_recipes",
                "ablations",
            ):
                assert ranges.meaning(notebook, name), (notebook, name)


def test_params_prints_ranges(capsys):
    main(["params", "07_cortical_gmm"])
    assert "components of the Gaussian mixture (2 to 8)" in capsys.readouterr().out
