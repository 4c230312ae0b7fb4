"""Keys cannot go stale: they hold every definition that shapes a result, and nothing else."""

import ast
import inspect
import pathlib
import sys
import types

import pytest

from helpers.book import artifacts, reached_code
from helpers.book.run import Run
from helpers.brains import stages as brain_stages
from helpers.tissue import stages as tissue_stages


@pytest.fixture(autouse=True)
def forget():
    """Sources are read once per process; each test here reads them as it changes them."""
    reached_code._module.cache_clear()
    yield
    reached_code._module.cache_clear()


@pytest.fixture
def edited(monkeypatch):
    """Change the source of modules as the keys see it: ``edited(module, change)``."""
    changes, honest = {}, reached_code.module_source

    def source(name):
        text = honest(name)
        return changes[name](text) if name in changes else text

    def edit(module, change):
        changes.clear()
        changes[module] = change
        reached_code._module.cache_clear()

    monkeypatch.setattr(reached_code, "module_source", source)
    return edit


def start_of(stage):
    return stage.__module__, stage.__name__


def with_changed(name):
    """A change of one definition of a module, which only its code can show."""

    def change(text):
        tree = ast.parse(text)
        for node in tree.body:
            if getattr(node, "name", None) == name:
                node.body.append(ast.parse("'changed'.upper()").body[0])
            elif isinstance(node, (ast.Assign, ast.AnnAssign)) and name in (
                part.id for part in ast.walk(node) if isinstance(part, ast.Name)
            ):
                node.value = ast.Tuple([node.value, ast.Constant("changed")], ast.Load())
        return ast.unparse(ast.fix_missing_locations(tree))

    return change


STAGES = [
    *(
        getattr(tissue_stages, name)
        for name in ("trained_classifier", "slice_features", "posteriors")
    ),
    *(getattr(tissue_stages, name) for name in ("patch_features", "probe_predictions")),
    *(
        getattr(tissue_stages, name)
        for name in ("nmf_factors", "cortical_components", "choice_of_k")
    ),
    brain_stages.prepared_population,
    *(getattr(brain_stages, name) for name in ("pca_baselines", "denoising_table")),
    *(getattr(brain_stages, name) for name in ("projective_fields", "region_responses")),
]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_every_definition_that_a_stage_reaches_changes_its_key(stage, edited):
    before = reached_code.reached_hash(stage)
    for module, name in reached_code.reached(start_of(stage)):
        edited(module, with_changed(name))
        assert reached_code.reached_hash(stage) != before, f"{module}.{name}"


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_prose_layout_and_annotations_change_no_key(stage, edited):
    before = reached_code.reached_hash(stage)
    for module in {module for module, _ in reached_code.reached(start_of(stage))}:
        edited(
            module,
            lambda text: f'"""Other words."""\n# a comment\n{ast.unparse(ast.parse(text))}\n',
        )
        assert reached_code.reached_hash(stage) == before, module


def test_the_constant_that_once_went_unseen(edited):
    """Another split of the images gave the same key, and so PCA fitted to other images."""
    before = reached_code.reached_hash(brain_stages.pca_baselines)
    edited(
        "helpers.brains.preparation",
        lambda text: text.replace("SPLIT_SEED = 0", "SPLIT_SEED = 7"),
    )
    assert reached_code.reached_hash(brain_stages.pca_baselines) != before


@pytest.mark.parametrize("stages", [tissue_stages, brain_stages])
def test_every_stage_can_be_followed(stages):
    for name in stages.__all__:
        stage = getattr(stages, name)
        if inspect.isfunction(stage):
            assert start_of(stage) in reached_code.reached(start_of(stage)), name


@pytest.mark.parametrize(
    "module, old, new, stage",
    [
        (
            "helpers.tissue.cortex.mixtures",
            "import GaussianMixture",
            "import BayesianGaussianMixture as GaussianMixture",
            tissue_stages.cortical_components,
        ),
        (
            "helpers.data.intensity",
            "import threshold_otsu",
            "import threshold_li as threshold_otsu",
            tissue_stages.slice_features,
        ),
    ],
)
def test_what_an_outside_name_stands_for_counts(edited, module, old, new, stage):
    assert old in reached_code.module_source(module)
    before = reached_code.reached_hash(stage)
    edited(module, lambda text: text.replace(old, new))
    assert reached_code.reached_hash(stage) != before


def test_annotations_and_texts_anywhere_change_nothing():
    plain = "RIM = 16\nclass A:\n    a: int = 1\ndef f(x):\n    r = []\n    return r\n"
    noted = (
        'RIM: int = 16\nclass A:\n    "A."\n    a: float = 1\n    "Its a."\n'
        "def f(x: int) -> list:\n    r: list = []\n    return r\n"
    )
    assert reached_code.code_hash(plain) == reached_code.code_hash(noted)
    field, attribute = "class A:\n    a: int = 1\n", "class A:\n    a = 1\n"
    assert reached_code.code_hash(field) != reached_code.code_hash(attribute)


def test_a_function_that_no_file_holds_is_refused():
    scope = {"__name__": "typed_by_hand"}
    exec("def f():\n    return 1\n", scope)
    with pytest.raises(ValueError, match="no file holds it; define it in a module"):
        reached_code.reached_hash(scope["f"])


def test_no_module_uses_a_form_that_keys_do_not_follow():
    """Definitions inside blocks, tables changed after the fact, imports that bind no plain name."""
    package = pathlib.Path(reached_code.__file__).parents[1]
    for path in [p for p in package.rglob("*.py") if "book" not in p.parts and p.stem != "cli"]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            where = f"{path.name}:{node.lineno}"
            calls = isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
            blocks = isinstance(node, (ast.If, ast.Try, ast.For, ast.With, ast.AugAssign))
            assert not calls and not (blocks and "TYPE_CHECKING" not in ast.unparse(node)), where
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0 and node.names[0].name != "*", where
            if isinstance(node, ast.Import):
                ours = [alias for alias in node.names if alias.name.startswith("helpers.")]
                assert all(alias.asname for alias in ours), where
            if isinstance(node, ast.Assign):
                assert all(not isinstance(t, (ast.Attribute, ast.Subscript)) for t in node.targets)


def test_neither_the_book_nor_another_stage_counts():
    found = reached_code.reached(start_of(tissue_stages.trained_classifier))
    assert not any(f"{module}.".startswith(reached_code.ASIDE) for module, _ in found)
    assert ("helpers.tissue.stages.slices", "area_map") not in found
    assert ("helpers.data.patches", "sample_patches") in found


def test_a_name_that_cannot_be_followed_is_an_error(edited):
    def lost(text):
        return text.replace("import intensity", "import intensity_of_old as intensity")

    edited("helpers.tissue.prepared_slice", lost)
    with pytest.raises(ValueError, match="takes intensity_of_old from helpers.data"):
        reached_code.reached_hash(tissue_stages.slice_features)


# ------------------------------------------------------------------ against what really ran


def executed_in(call):
    """Run ``call()``; return the code objects of this package that ran, outside the book's own."""
    codes = set()

    def watch(frame, event, _):
        if event == "call" and frame.f_globals.get("__name__", "").startswith("helpers."):
            codes.add((frame.f_globals["__name__"], frame.f_code))

    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(None)
    return {(m, c) for m, c in codes if not f"{m}.".startswith(reached_code.ASIDE)}


def top_level_name(code):
    return code.co_qualname.partition(".")[0] if hasattr(code, "co_qualname") else code.co_name


def constants_used(module, code):
    """Names of module constants that a code object, with those nested in it, looks up."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= constants_used(module, constant)
    values = vars(sys.modules[module])
    return {
        name
        for name in names & values.keys()
        if name.isupper() and not inspect.ismodule(values[name]) and not callable(values[name])
    }


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs code.co_qualname")
def test_whatever_runs_in_making_a_result_is_in_its_key(
    tmp_path, tiny_microct, tiny_population, monkeypatch
):
    """Every function that runs inside a ``make``, and every constant it reads, stands in the key of
    that result or of a result or dataset that it is made from.
    """
    honest, known, problems = artifacts.artifact, {}, []

    def watched(root, name, parameters, make, load, *, inputs=(), code=None):
        start = (code or make).__module__, (code or make).__qualname__.partition(".")[0]
        covered = set(reached_code.reached(start))
        for key in inputs:
            covered |= known.get(key.partition(":")[0], set())  # PCA: key, then its size

        def making(folder):
            for module, ran in executed_in(lambda: make(folder)):
                names = {top_level_name(ran)} | constants_used(module, ran)
                names &= reached_code._module(module).definitions.keys()
                problems.extend(
                    f"{name}: {module}.{each}" for each in names if (module, each) not in covered
                )

        found = honest(root, name, parameters, making, load, inputs=inputs, code=code or make)
        known[found.key] = covered
        return found

    monkeypatch.setattr(artifacts, "artifact", watched)
    run = Run(tmp_path, "x", {"microct": str(tiny_microct), "population": str(tiny_population)})
    for kind in ("microct", "population"):  # how data is read stands in the dataset's key
        reader = {"microct": "open_microct", "population": "open_population"}[kind]
        known[run.key(kind)] = set(reached_code.reached((f"helpers.data.datasets.{kind}", reader)))

    recipe = "fast, patches_per_area=12, epochs=1, validation_per_area=6"
    trained = tissue_stages.trained_classifier(run, recipe=recipe, progress=False)
    networks = tissue_stages.area_networks(run, trained)
    for network in networks:  # their keys hold how they are opened
        known[network.key] = known[trained.key] | set(
            reached_code.reached(start_of(tissue_stages.area_networks))
        )
    sizes = {"train_per_area": 12, "test_per_area": 12, "n_repeats": 2}
    per_area = {"validation_per_area": 6}
    tissue_stages.probe_predictions(run, networks, trained, **per_area, **sizes)
    tissue_stages.noise_predictions(run, networks, trained, variances=[0.01], **sizes)
    first, second = tissue_stages.slice_pair(run)
    fitted = tissue_stages.nmf_factors(run, trained, first, k=4, stride=16, progress=False)
    tissue_stages.nmf_factors(run, trained, second, stride=16, basis=fitted, progress=False)
    tissue_stages.area_map(run, [trained], first, stride=16)
    cortex = tissue_stages.cortical_components(run, fitted, n_components=2, margin=16)
    tissue_stages.choice_of_k(run, fitted, [2], [0, 1])
    tissue_stages.choice_of_components(run, cortex, [2], [0, 1])

    models = brain_stages.three_models(run, latent_dim=2, rows=40, steps=4, workers=1)
    brain_stages.model_scores(run, list(models.values()), rows=40, images=4, metric_components=4)
    for model in models.values():
        brain_stages.denoising_table(run, model, rows=40, per_type=2)
        brain_stages.region_responses(run, model, rows=40, images=4)
        brain_stages.population_latents(run, model, rows=40)
        brain_stages.projective_fields(run, model, rows=40, step=2.0, starts=1)
    assert sorted(set(problems)) == []
