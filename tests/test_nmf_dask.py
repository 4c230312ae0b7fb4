"""NMF of rows in a Dask array against the solver of rows in memory."""

import numpy as np
import pytest

from helpers.tissue.factors import hals, nmf

da = pytest.importorskip("dask.array")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Chunks one after the other, each in several small blocks."""
    import dask

    monkeypatch.setitem(hals.BLOCK_ROWS, "cpu", 512)
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def features():
    """Rows of six hidden factors with noise, like features after a ReLU."""
    rng = np.random.default_rng(0)
    W = rng.gamma(0.5, size=(5000, 6)) * (rng.random((5000, 6)) < 0.5)
    X = W @ rng.gamma(0.5, size=(6, 20)) + 0.05 * rng.random((5000, 20))
    X[7] = 0
    X[:, 3] = 0
    return X.astype(np.float32)


@pytest.mark.parametrize("chunks", [(5000, 20), (1200, 20), (700, 7)])
def test_equal_to_rows_in_memory(features, chunks):
    expected = nmf.fit_nmf(features, 6, seed=1)
    found = nmf.fit_nmf(da.from_array(features, chunks=chunks), 6, seed=1)
    assert found.error == pytest.approx(expected.error, abs=1e-4)
    assert abs(found.iterations - expected.iterations) <= 1  # chunks end blocks
    partner, cosine = nmf.match_components(expected.components, found.components)
    assert partner.tolist() == list(range(6)) and cosine.min() > 1 - 1e-5
    assert isinstance(found.coefficients, da.Array)
    coefficients = found.coefficients.compute()
    assert coefficients.shape == (5000, 6) and coefficients.min() == 0
    assert np.abs(coefficients - expected.coefficients).max() < 1e-2 * expected.coefficients.max()
    error = np.linalg.norm(features - coefficients @ found.components) / np.linalg.norm(features)
    assert found.error == pytest.approx(error, rel=1e-4)


def test_never_more_than_a_chunk_of_features_at_a_time(features):
    held, most = [0], [0]

    def read(block, block_info=None):
        held[0] += 1
        most[0] = max(most[0], block.shape[0])
        return block

    X = da.from_array(features, chunks=(500, 20)).map_blocks(read, dtype=np.float32)
    nmf.fit_nmf(X, 4)
    assert held[0] > 20 and most[0] == 500


def test_wrong_rows_are_named(features):
    bad = features.copy()
    bad[3210, 4] = -1
    with pytest.raises(ValueError, match="row 3210 holds a negative"):
        nmf.fit_nmf(da.from_array(bad, chunks=(700, 20)), 4)
    bad[3210, 4] = np.nan
    with pytest.raises(ValueError, match="row 3210 holds"):
        nmf.fit_nmf(da.from_array(bad, chunks=(700, 20)), 4)
    with pytest.raises(ValueError, match="rank 1"):
        nmf.fit_nmf(da.ones((900, 20), chunks=(300, 20)), 4)
    with pytest.raises(ValueError, match="k = 40 factors"):
        nmf.fit_nmf(da.from_array(features), 40)
    unknown = da.from_array(features, chunks=(700, 20))
    unknown = unknown[unknown[:, 0] >= 0]
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        nmf.fit_nmf(unknown, 4)


@pytest.mark.slow
def test_on_real_workers(features):
    import dask
    from distributed import Client, LocalCluster

    expected = nmf.fit_nmf(features, 5)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster),
        dask.config.set(scheduler="distributed"),
    ):
        X = da.from_array(features, chunks=(800, 20)).persist()
        found = nmf.fit_nmf(X, 5)
        assert found.error == pytest.approx(expected.error, abs=1e-4)
        assert found.coefficients.compute().shape == (5000, 5)
