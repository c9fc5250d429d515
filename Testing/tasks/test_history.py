"""A model carries the adaptations behind it along: through chains, copies, archives and exports."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from small_adaptations import part, trained

from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.history import History, read_history
from TransferRiskLib.tasks.requests import CohortInput
from TransferRiskLib.tasks.results import Lineage
from TransferRiskLib.tasks.target import Target
from TransferRiskLib.tasks.trained_on import lineages


@pytest.fixture(scope="module")
def chain(bundle: Path, cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three models, each adapted from the one before it, to a case of its own."""
    folder, models = tmp_path_factory.mktemp("chain"), [bundle]
    for number in range(3):
        models.append(trained(models[-1], part(cohort, number), folder / f"link-{number}"))
    return models[1:]


@pytest.fixture(scope="module")
def names(cohort: Cohort) -> tuple[str, ...]:
    return tuple(case.name for case in cohort.cases)


@pytest.fixture
def told() -> Callable[..., dict[Path, Lineage]]:
    """What is known of models by their path when they are compared on cases."""

    def of(target: CohortInput, *paths: Path) -> dict[Path, Lineage]:
        models = [open_model(path) for path in paths]
        targets = [Target(target, model.card, labelled=True) for model in models]
        found = lineages(list(zip(paths, models, targets, strict=True)), Progress())
        return dict(zip(paths, found, strict=True))

    return of


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def copied(model: Path, folder: Path, *forgotten: str) -> Path:
    """A run's model in a new folder, without the record of the run; `forgotten` is left out of its own."""
    copy = Path(shutil.copytree(model, folder / "bundle"))
    provenance = copy / "configs" / "provenance.json"
    told = {name: value for name, value in read(provenance).items() if name not in forgotten}
    provenance.write_text(json.dumps(told), encoding="utf-8")
    return copy


def test_the_last_model_of_a_chain_alone_tells_of_all_of_them(chain, cohort, names, told) -> None:
    known = told(part(cohort, 0, 1, 2), chain[2])
    assert known == {chain[2]: Lineage(True, names)}
    assert told(part(cohort, 0, 2), chain[1]) == {chain[1]: Lineage(True, names[:1])}


def test_what_leaves_the_house_has_the_fingerprints_of_the_chain_and_no_key(chain) -> None:
    records = [read(model.parent / "result.json")["provenance"] for model in chain]
    public, local = read(chain[2] / "configs" / "provenance.json"), records[2]
    assert [run["name"] for run in public["ancestors"]] == ["link-1", "link-0"]
    assert [run["sha256"] for run in public["ancestors"]] == [open_model(m).digest for m in chain[1::-1]]
    assert [run["cases"] for run in public["ancestors"]] == [
        list(r["cases"].values()) for r in records[1::-1]
    ]
    assert public["unknown_ancestors"] == []
    keys = [record["fingerprint_key"] for record in records]
    assert [run["fingerprint_key"] for run in local["ancestors"]] == keys[1::-1]
    files = [path for path in chain[2].rglob("*") if path.is_file()]
    with zipfile.ZipFile(chain[2] / "models" / "model.ts") as script:
        contents = [path.read_bytes() for path in files] + [script.read(name) for name in script.namelist()]
    assert not [key for key in keys for content in contents if key.encode() in content]


def test_without_the_keys_of_a_link_nobody_can_tell(chain, cohort, names, told, tmp_path) -> None:
    alone = copied(chain[2], tmp_path / "alone")
    assert told(part(cohort, 0, 1, 2), alone) == {alone: Lineage(True, (), True)}
    # an original among the models brings its own key and those of the links before it
    known = told(part(cohort, 0, 1, 2), alone, chain[1])
    assert known[alone] == Lineage(True, names[:2], True)
    # and so does a descendant
    before = copied(chain[0], tmp_path / "before")
    assert told(part(cohort, 0, 1, 2), before, chain[2])[before] == Lineage(True, names[:1])


def test_a_model_from_a_source_without_its_key_is_uncertain_of_that_part(
    chain, cohort, names, told, tmp_path
) -> None:
    came = copied(chain[0], tmp_path / "came")
    made = trained(came, part(cohort, 2), tmp_path / "made")
    assert told(part(cohort, 0, 1, 2), made) == {made: Lineage(True, names[2:], True)}
    both = Lineage(True, (names[0], names[2]))
    assert told(part(cohort, 0, 1, 2), made, chain[0])[made] == both


def test_models_of_earlier_versions_are_told_as_far_as_they_tell(
    chain, bundle, cohort, names, told, tmp_path
) -> None:
    old = copied(chain[0], tmp_path / "old", "ancestors", "unknown_ancestors")
    shutil.copy(chain[0].parent / "result.json", old.parent)
    assert told(part(cohort, 0, 1), old) == {old: Lineage(True, names[:1], True)}
    certain = Lineage(True, names[:1])
    assert told(part(cohort, 0, 1), old, bundle) == {old: certain, bundle: Lineage()}
    made = trained(old, part(cohort, 2), tmp_path / "made")
    record = read(made / "configs" / "provenance.json")
    assert record["unknown_ancestors"] == [open_model(bundle).digest]
    assert told(part(cohort, 0, 1, 2), made) == {made: Lineage(True, (names[0], names[2]), True)}
    assert told(part(cohort, 0, 1, 2), bundle, made)[made] == Lineage(True, (names[0], names[2]))


def test_a_source_that_is_at_hand_tells_what_an_earlier_version_did_not_note(
    chain, cohort, names, told, tmp_path
) -> None:
    old = copied(chain[2], tmp_path / "old", "ancestors", "unknown_ancestors")
    shutil.copy(chain[2].parent / "result.json", old.parent)
    assert told(part(cohort, 0, 1, 2), old) == {old: Lineage(True, names[2:], True)}
    for models in ((old, chain[1]), (chain[1], old)):
        assert told(part(cohort, 0, 1, 2), *models)[old] == Lineage(True, names)
    between = copied(chain[1], tmp_path / "between", "ancestors", "unknown_ancestors")
    shutil.copy(chain[1].parent / "result.json", between.parent)
    assert told(part(cohort, 0, 1, 2), old, between)[old] == Lineage(True, names[1:], True)
    assert told(part(cohort, 0, 1, 2), old, between, chain[0])[old] == Lineage(True, names)


def as_archive(model: Path, folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder / "mine"), "zip", model.parent, model.name))


def as_script(model: Path, folder: Path) -> Path:
    return Path(shutil.copy(model / "models" / "model.ts", folder / "mine.ts"))


@pytest.mark.parametrize("form", [as_archive, as_script])
def test_an_archive_or_export_of_a_model_tells_the_same(chain, cohort, names, told, tmp_path, form) -> None:
    (tmp_path / "form").mkdir()
    model = form(chain[1], tmp_path / "form")
    assert told(part(cohort, 1, 2), model) == {model: Lineage(True, (), True)}
    assert told(part(cohort, 1, 2), model, chain[1])[model] == Lineage(True, names[1:2])
    shutil.copy(chain[1].parent / "result.json", model.parent)
    assert told(part(cohort, 0, 1, 2), model) == {model: Lineage(True, names[:2])}
    made = trained(model, part(cohort, 2), tmp_path / "made")
    assert told(part(cohort, 0, 1, 2), made) == {made: Lineage(True, names)}


def test_a_weights_file_means_its_bundle_and_a_script_in_one_its_run(chain, cohort, names, told) -> None:
    for file in ("model.pt", "model.ts"):
        path = chain[0] / "models" / file
        assert told(part(cohort, 0), path) == {path: Lineage(True, names[:1])}


def test_an_export_of_an_earlier_version_was_perhaps_adapted(chain, cohort, told, tmp_path) -> None:
    """Such an archive has all that is in today's but the record."""
    old = tmp_path / "old.ts"
    with zipfile.ZipFile(chain[0] / "models" / "model.ts") as script, zipfile.ZipFile(old, "w") as archive:
        for info in script.infolist():
            if not info.filename.endswith("/extra/transferrisk_provenance.json"):
                archive.writestr(info, script.read(info))
    assert told(part(cohort, 0, 1), old) == {old: Lineage(False, (), True)}
    made = trained(old, part(cohort, 1), tmp_path / "made")
    assert read(made / "configs" / "provenance.json")["unknown_ancestors"] == [open_model(old).digest]


def test_nothing_of_a_source_is_in_a_training_from_scratch(chain, cohort, names, told, tmp_path) -> None:
    fresh = trained(chain[1], part(cohort, 2), tmp_path / "fresh", scheme="scratch")
    assert told(part(cohort, 0, 1, 2), fresh) == {fresh: Lineage(True, names[2:])}


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"task": "adapt"}', '{"task": "adapt", "cases": 3, "models": []}', '{"task": "map"}'],
)
def test_a_model_without_a_usable_record_is_no_adapted_one(tmp_path, text) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text("{}")
    (tmp_path / "configs" / "provenance.json").write_text(text)
    assert read_history(tmp_path, "1") == History()
    assert read_history(tmp_path / "model.ts", "1") == History()


def test_a_record_that_makes_no_sense_is_read_as_far_as_it_does(tmp_path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text("{}")
    told = {"task": "adapt", "cases": ["a"], "models": [{"sha256": "s"}, 1, {}], "ancestors": {}}
    (tmp_path / "configs" / "provenance.json").write_text(json.dumps(told))
    history = read_history(tmp_path, "1")
    assert [run.cases for run in history.runs] == [{"a"}] and history.unknown == {"s", ""}
    told |= {"ancestors": [{"cases": 2}, 3, {"cases": ["b"], "name": None}], "unknown_ancestors": ["t"]}
    (tmp_path / "configs" / "provenance.json").write_text(json.dumps(told))
    history = read_history(tmp_path, "1")
    assert [run.cases for run in history.runs] == [{"a"}, {"b"}] and history.unknown == {"t"}
