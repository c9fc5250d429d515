"""Adaptations on real files: begun, stopped, resumed, found, never in the way of what others made."""

from __future__ import annotations

import dataclasses
import json

import pytest
from small_adaptations import BRIEF, CPU
from told import Told

from TransferRiskLib.adaptation.settings import preset_settings
from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.cases.load import load_case
from TransferRiskLib.errors import (
    Cancelled,
    SettingsError,
    StorageError,
)
from TransferRiskLib.inference.predict import predict_states
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import from_json, to_json
from TransferRiskLib.tasks.adapt import adapt
from TransferRiskLib.tasks.requests import (
    AdaptRequest,
    CohortInput,
)
from TransferRiskLib.tasks.results import AdaptResult
from TransferRiskLib.volumes.io import read_volume, write_volume


class StopInStage(Progress):
    """Asks to stop some steps into the stage of that name."""

    def __init__(self, name: str, steps: int) -> None:
        super().__init__(lambda: self.current == name and self.steps >= steps)
        self.current, self.steps = "", 0

    def stage(self, name: str, total: int | None = None) -> None:
        self.current, self.steps = name, 0

    def step(self, advance: int = 1, message: str = "") -> None:
        self.steps += advance


def test_an_adaptation_cancelled_in_every_part_resumes_to_the_same_model(bundle, cohort, tmp_path):
    settings = preset_settings("recommended", **BRIEF)
    whole = adapt(AdaptRequest(bundle, CohortInput(cohort), tmp_path / "whole", settings, CPU), Progress())
    request = AdaptRequest(bundle, CohortInput(cohort), tmp_path / "parts", settings, CPU)
    for stage in ("Fold 2", "From scratch 1", "Final training"):
        with pytest.raises(Cancelled):
            adapt(request, StopInStage(stage, 2))
    resumed = adapt(request, Progress())
    assert resumed.resumed and not whole.resumed
    one, other = (open_model(result.bundle).network.state_dict() for result in (whole, resumed))
    assert all(bool((one[name] == other[name]).all()) for name in one)
    assert (resumed.validation, resumed.audit, resumed.eep_weight) == (
        whole.validation,
        whole.audit,
        whole.eep_weight,
    )


def test_a_folder_with_another_adaptation_is_refused_unless_restarted(bundle, cohort, tmp_path):
    first = AdaptRequest(bundle, CohortInput(cohort), tmp_path, preset_settings("plain", **BRIEF), CPU)
    done = adapt(first, Progress())
    assert adapt(first, Progress()) == done, "a complete run is not repeated"
    other = dataclasses.replace(first, settings=preset_settings("paper", **BRIEF))
    with pytest.raises(SettingsError, match="another adaptation"):
        adapt(other, Progress())
    again = adapt(dataclasses.replace(other, restart=True), Progress())
    assert from_json(AdaptResult, to_json(again)) == again


@pytest.mark.parametrize("theirs", ["bundle/model.txt", "work/notes.txt", "result.json"])
@pytest.mark.parametrize("restart", [False, True])
def test_what_no_adaptation_has_made_is_never_replaced(bundle, cohort, tmp_path, theirs, restart):
    file = tmp_path / theirs
    file.parent.mkdir(exist_ok=True)
    file.write_text("somebody's")
    settings = preset_settings("plain", **BRIEF)
    request = AdaptRequest(bundle, CohortInput(cohort), tmp_path, settings, CPU, restart=restart)
    with pytest.raises(SettingsError, match="is there already"):
        adapt(request, Progress())
    assert file.read_text() == "somebody's"


def test_the_source_model_is_not_replaced_by_its_own_adaptation(bundle, cohort, tmp_path):
    settings = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    first = adapt(AdaptRequest(bundle, CohortInput(cohort), tmp_path, settings, CPU), Progress())
    again = AdaptRequest(first.bundle, CohortInput(cohort), tmp_path, settings, CPU, restart=True)
    with pytest.raises(SettingsError, match="is the source model itself"):
        adapt(again, Progress())
    assert open_model(first.bundle).card.labels.names == cohort.scheme.names


def test_a_request_saved_into_the_output_folder_stays_what_it_is(bundle, cohort, tmp_path):
    settings = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    request = AdaptRequest(bundle, CohortInput(cohort), tmp_path, settings, CPU)
    saved = tmp_path / "request.json"
    saved.write_text(json.dumps(to_json(request)))
    done = adapt(request, Progress())
    assert adapt(from_json(AdaptRequest, json.loads(saved.read_text())), Progress()) == done


def test_a_finished_run_is_found_where_it_lies_and_anew_where_its_model_is_gone(bundle, cohort, tmp_path):
    settings = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    request = AdaptRequest(bundle, CohortInput(cohort), tmp_path / "run", settings, CPU)
    adapt(request, Progress())
    (tmp_path / "run").rename(tmp_path / "moved")
    moved = dataclasses.replace(request, output=tmp_path / "moved")
    result = adapt(moved, Progress())
    assert result.bundle == tmp_path / "moved" / "bundle" and result.history.is_file()
    result.bundle.rename(tmp_path / "taken away")
    assert adapt(moved, Progress()).bundle.is_dir()


def test_the_card_of_an_adapted_model_says_what_it_was_trained_on(bundle, cohort, tmp_path):
    cases = tuple(dataclasses.replace(case, images={"T2": case.images["T1"]}) for case in cohort.cases)
    target = CohortInput(Cohort(cases, cohort.scheme), channels={"t1": "T2"})
    settings = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    result = adapt(AdaptRequest(bundle, target, tmp_path, settings, CPU), Progress())
    card = open_model(result.bundle).card
    assert (card.channels, card.contrasts, result.channels) == (("T1",), ("T2",), {"t1": "T2"})


def test_one_scan_under_two_names_is_never_on_both_sides(bundle, cohort, tmp_path):
    same = dataclasses.replace(cohort.cases[0], name="again")
    cases = CohortInput(Cohort((cohort.cases[0], same), cohort.scheme))
    settings = preset_settings("plain", **{**BRIEF, "folds": 2})
    progress = Told()
    result = adapt(AdaptRequest(bundle, cases, tmp_path, settings, CPU), progress)
    assert result.validation == {}, "nothing can be held out"
    assert "again have the same images" in progress.warnings[0]
    assert any("Validation needs at least two subjects" in text for text in progress.warnings)


def test_labels_that_were_corrected_make_another_adaptation(bundle, cohort, tmp_path):
    case = cohort.cases[0]
    own = tmp_path / "labels.nii.gz"
    own.write_bytes(case.labels.read_bytes())
    cases = Cohort((dataclasses.replace(case, labels=own),), cohort.scheme)
    settings = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    request = AdaptRequest(bundle, CohortInput(cases), tmp_path / "run", settings, CPU)
    first = adapt(request, Progress())
    assert adapt(request, Progress()) == first
    labels = read_volume(own)
    labels.array[labels.array == 4] = 2
    write_volume(labels, own)
    with pytest.raises(SettingsError, match="files that have changed since"):
        adapt(request, Progress())


def test_a_folder_that_a_run_is_writing_into_is_refused(bundle, cohort, tmp_path):
    settings = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    request = AdaptRequest(bundle, CohortInput(cohort), tmp_path, settings, CPU)

    class Second(Progress):
        refused = False

        def metrics(self, step, values):
            with pytest.raises(StorageError, match="another run is writing into it"):
                adapt(request, Progress())
            self.refused = True

    progress = Second()
    assert adapt(request, progress).bundle.is_dir() and progress.refused
    assert not list(tmp_path.glob(".*"))


def test_an_adaptation_that_failed_before_it_began_leaves_its_folder_free(bundle, cohort, tmp_path):
    wrong = preset_settings("plain", **BRIEF, patch_size=(7, 7, 7))
    request = AdaptRequest(bundle, CohortInput(cohort), tmp_path, wrong, CPU)
    with pytest.raises(SettingsError, match="not divisible"):
        adapt(request, Progress())
    right = preset_settings("plain", **{**BRIEF, "folds": 0, "steps": 1})
    assert adapt(dataclasses.replace(request, settings=right), Progress()).bundle.is_dir()


def test_torchscript_sources_are_mapped_and_adapted(bundle, cohort, tmp_path):
    script = bundle / "models" / "model.ts"
    settings = preset_settings("recommended", **{**BRIEF, "folds": 0, "eep_weight": 0.5})
    result = adapt(AdaptRequest(script, CohortInput(cohort), tmp_path, settings, CPU), Progress())
    model = open_model(result.bundle)
    assert model.card.labels.names == cohort.scheme.names
    loaded = load_case(cohort.cases[0], ("T1",), scheme=cohort.scheme)
    assert predict_states(model, loaded, CPU).shape[0] == 5
