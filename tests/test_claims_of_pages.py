"""From the tables of a page to what it records: values per seed, or the reason why not."""

import numpy as np

from helpers.book.claims import Finding
from helpers.book.run import Run
from helpers.tissue.factors.tables import by_factor


class Ledger:
    """Stands in for a ledger: keeps what is recorded."""

    def __init__(self):
        self.values, self.reasons = {}, {}

    def record(self, claim, value, seed, control, interval, note=""):
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
