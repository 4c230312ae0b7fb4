"""From the tables of a page to what it records: values per seed, or the reason why not."""

import numpy as np
import pandas as pd
import pytest

from helpers.book.claims import Finding
from helpers.book.run import Run
from helpers.brains.stages import claims_of_models
from helpers.tissue.factors.tables import by_factor


class Ledger:
    """Stands in for a ledger: keeps what is recorded."""

    def __init__(self):
        self.values, self.reasons = {}, {}

    def record(self, claim, value, seed, control, interval):
        self.values[claim, seed] = (value, control, interval)

    def not_run(self, claim, reason):
        self.reasons[claim] = reason


def test_a_claim_has_the_values_of_its_seeds_or_the_reason(tmp_path):
    run = Run(tmp_path, "page", {}, Ledger())
    found = {
        0: {"A": 1.0, "B": "no labels", "C": Finding(2.0, control=1.0, interval=(1.5, 2.5))},
        1: {"A": "one latent", "B": "no labels"},
    }
    run.record_all(found)
    assert run.ledger.values == {
        ("A", 0): (1.0, None, None),
        ("C", 0): (2.0, 1.0, (1.5, 2.5)),
    }
    assert run.ledger.reasons == {"A": "one latent", "B": "no labels"}


def test_tables_of_factors_name_rows_and_columns():
    table = by_factor({"mean": np.ones((2, 3)), "score": np.zeros((2, 2))}, ("a", "b", "c"))
    assert table.index.tolist() == ["F0", "F1"] and table.index.name == "factor"
    assert table.columns.tolist()[2:] == [("mean", "c"), ("score", "a"), ("score", "b")]


def test_one_latent_is_too_few_for_claims_on_impact():
    found = claims_of_models.impact_claims(np.zeros(0), {}, np.array([3]), None)
    assert set(found.values()) == {"fewer than two latents are active"}


@pytest.mark.parametrize("score", [0.5, np.nan])
def test_decorrelation_takes_the_pca_of_any_seed(score):
    rows = [("β-VAE", 1, score), ("VAE", 1, 0.4), ("PCA", 0, 0.3), ("VAE", 0, 0.1)]
    table = pd.DataFrame(rows, columns=["family", "seed", "score"])
    found = claims_of_models.decorrelation_claim(table, 1)["C.decorrelation"]
    if np.isnan(score):
        assert found == "fewer than two latents are active"
    else:
        assert found == {"beta_vae": 0.5, "vae": 0.4, "pca": 0.3}
