"""A button is enabled exactly when it can work; otherwise its tooltip says why not."""

from __future__ import annotations

import pytest
from session_tables import BUTTONS, ROW_CASES

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.jobs import events
from TransferRiskLib.session.guessing import mark_result

NO_CASES = "Add target cases first."
NO_MODEL = "Choose a source model first."
NOTHING_THERE = {
    "rank": NO_CASES, "compute": NO_MODEL, "start": NO_MODEL,
    "resume": "There is no unfinished adaptation.", "suggest": NO_MODEL,
    "segment": "Choose a source model, or adapt one, first.", "cancel": "Nothing is running.", "probe": "",
    "release": "No worker is running: nothing holds memory.",
}  # fmt: skip


def verdicts(session):
    return {name: can(session)() for name, (can, _) in BUTTONS.items()}


def reasons(session):
    found = verdicts(session)
    assert all(ok == (reason == "") for ok, reason in found.values()), "a reason exactly where it is off"
    return {name: reason for name, (_, reason) in found.items()}


def test_an_empty_session_says_what_to_do_first(stage):
    assert reasons(stage) == NOTHING_THERE


@pytest.mark.parametrize("name", [name for name, reason in NOTHING_THERE.items() if reason])
def test_a_click_on_what_is_off_is_refused_with_the_same_reason(stage, name):
    with pytest.raises(SettingsError, match=NOTHING_THERE[name][:20]):
        BUTTONS[name][1](stage)()
    assert not stage.jobs.busy


def test_with_a_model_the_cases_are_asked_for(stage, bundle):
    stage.models.add(bundle)
    changed = {"compute": NO_CASES, "start": NO_CASES, "segment": "Add scans first."}
    changed["suggest"] = "Compute a risk map with this model first: it tells what to expect."
    assert reasons(stage) == {**NOTHING_THERE, **changed}


def test_with_a_complete_case_the_jobs_can_start(stage, bundle, add_scan):
    stage.models.add(bundle)
    add_scan("Anna")
    stage.cases.add_from_scene()
    assert {name for name, reason in reasons(stage).items() if reason == ""} == {
        "rank", "compute", "start", "probe",
    }  # fmt: skip


def test_an_incomplete_case_gives_its_own_reason(stage, bundle, add_scan):
    stage.models.add(bundle)
    add_scan("Anna", labelled=False)
    stage.cases.add_from_scene()
    expected = "No case is complete. Anna: It has no segmentation: choose one, or annotate it."
    assert reasons(stage)["compute"] == reasons(stage)["start"] == expected


def test_held_out_cases_are_not_trained_on(stage, bundle, add_scan):
    stage.models.add(bundle)
    add_scan("Anna")
    (key,) = stage.cases.add_from_scene()
    stage.cases.set_role(key, "held-out")
    assert reasons(stage)["start"] == "All complete cases are held out: train on one."
    assert reasons(stage)["compute"] == ""


def test_while_a_job_runs_only_cancel_is_on(stage, bundle, add_scan, played):
    stage.models.add(bundle)
    add_scan("Anna")
    stage.cases.add_from_scene()
    stage.maps.compute()
    wait = "Wait until the running job has ended: Computing risk maps."
    assert {name for name, reason in reasons(stage).items() if reason == ""} == {"cancel"}
    assert reasons(stage)["compute"] == reasons(stage)["probe"] == wait
    while not played.submitted:
        stage.tick()
    stage.jobs.cancel()
    assert reasons(stage)["cancel"] == "It is being stopped."
    played.say(events.JobCancelled("The work was stopped."))
    stage.tick()
    assert reasons(stage)["compute"] == ""


def test_a_model_that_cannot_be_used_says_why(stage, tmp_path, add_scan):
    broken = tmp_path / "broken"
    (broken / "configs").mkdir(parents=True)
    (broken / "configs" / "card.json").write_text("{}")
    stage.models.set_folder(str(tmp_path))
    entry = next(entry for entry in stage.models.entries if entry.path == broken)
    assert entry.card is None and entry.problem
    add_scan("Anna")
    stage.models.choose(broken)
    assert reasons(stage)["compute"].startswith("The source model cannot be used:")
    assert stage.models.card_summary()[0] == ("Problem", entry.problem)


def test_a_chosen_model_that_is_not_on_the_list_comes_behind_it(stage, bundle, tmp_path):
    entries = stage.models.entries
    assert stage.models.listed_with("") == stage.models.listed_with(str(entries[0].path)) == entries
    assert [entry.name for entry in stage.models.listed_with(str(bundle))[len(entries) :]] == ["tiny"]
    gone = stage.models.listed_with(str(tmp_path / "gone"))[-1]
    assert gone.path == tmp_path / "gone" and gone.card is None and gone.problem


def test_a_scan_that_is_gone_cannot_be_shown_and_the_views_keep_what_they_show(
    stage, scene, bundle, add_scan
):
    stage.models.add(bundle)
    volume, _ = add_scan("Anna", labelled=False)
    (key,) = stage.segmenting.add_from_scene()
    composite = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    assert stage.segmenting.can_show(key) == (True, "")
    stage.segmenting.show(key)
    assert composite.GetBackgroundVolumeID() == volume.GetID()
    other, _ = add_scan("Berta", labelled=False)
    composite.SetBackgroundVolumeID(other.GetID())
    scene.RemoveNode(volume)
    assert stage.segmenting.can_show(key) == (False, "The scan is not in the scene any more.")
    with pytest.raises(SettingsError, match="not in the scene"):
        stage.segmenting.show(key)
    assert composite.GetBackgroundVolumeID() == other.GetID()
    stage.segmenting.set_channel(key, "T1", None)
    assert stage.segmenting.can_show(key) == (False, "Choose the volume of this scan first.")


@pytest.mark.parametrize("name", ROW_CASES)
def test_a_row_says_in_words_what_is_missing(stage, scene, bundle, add_scan, name):
    stage.models.add(bundle)
    add_scan("Anna")
    (key,) = stage.cases.add_from_scene()
    spoil, expected = ROW_CASES[name]
    spoil(stage, scene, key)
    assert stage.cases.missing(key) == expected


@pytest.mark.parametrize("name", ["missing file", "colours", "transform"])
def test_what_cannot_be_looked_at_cannot_be_annotated_for_the_same_reason(
    stage, scene, bundle, add_scan, name
):
    stage.models.add(bundle)
    add_scan("Anna")
    (key,) = stage.cases.add_from_scene()
    assert stage.cases.can_annotate(key) == (True, "")
    spoil, (expected,) = ROW_CASES[name]
    spoil(stage, scene, key)
    assert stage.cases.can_annotate(key) == (False, expected)
    with pytest.raises(SettingsError, match=expected[:20]):
        stage.cases.prepare_annotation(key)


def test_segments_that_may_overlap_are_remarked(stage, scene, bundle, add_scan):
    stage.models.add(bundle)
    _, segmentation = add_scan("Anna")
    (key,) = stage.cases.add_from_scene()
    assert stage.cases.remarks(key) == []
    _, other = add_scan("other")
    inside = segmentation.GetSegmentation()
    inside.CopySegmentFromSegmentation(other.GetSegmentation(), "anterior")
    inside.GetNthSegment(2).SetName("lesion")
    assert stage.cases.missing(key) == []
    assert stage.cases.remarks(key) == [
        "Its segments lie in 2 layers: where they overlap, the last one counts."
    ]
    for segment in stage.cases.segments(key):
        stage.cases.set_label(key, segment, "anterior")
    assert stage.cases.remarks(key) == [], "overlap makes no difference"


def test_an_empty_segmentation_is_missing_annotation(stage, scene, bundle, add_scan):
    stage.models.add(bundle)
    add_scan("Anna", labelled=False)
    (key,) = stage.cases.add_from_scene()
    node, _ = stage.cases.prepare_annotation(key)
    assert stage.cases.missing(key) == [f"The segmentation {node.GetName()} is empty: annotate some slices."]


def test_results_are_not_offered_as_scans(stage, add_scan):
    volume, _ = add_scan("Anna", labelled=False)
    assert stage.cases.can_add_from_scene() == (True, "")
    mark_result(volume)
    assert stage.cases.can_add_from_scene() == (False, "The scene has no scan that is not in use.")


def test_another_contrast_is_remarked_and_no_obstacle(stage, scene, bundle, add_scan):
    stage.models.add(bundle)
    add_scan("Anna_T2")
    (key,) = stage.cases.add_from_scene()
    assert stage.cases.rows[0].name == "Anna"
    assert stage.cases.missing(key) == []
    assert stage.cases.remarks(key) == ["tiny was trained on T1; the volume is named T2."]
    scene.GetNodeByID(stage.cases.volumes(key)["T1"]).SetName("Anna_T1w")
    assert stage.cases.remarks(key) == []


def test_a_settings_value_that_makes_no_sense_is_refused_and_changes_nothing(stage):
    with pytest.raises(SettingsError, match="steps"):
        stage.adapting.set_option("steps", 0)
    with pytest.raises(SettingsError, match="no adaptation setting"):
        stage.adapting.set_option("stpes", 10)
    assert stage.adapting.overrides == {}
    stage.adapting.set_option("steps", 10)
    assert stage.adapting.settings.steps == 10 and stage.adapting.overrides == {"steps": 10}
    stage.adapting.set_option("steps", 300)
    assert stage.adapting.overrides == {}, "the preset's own value is no override"
    stage.adapting.set_option("learning_rate", 0.5)
    assert stage.adapting.settings.learning_rate == 0.5
    stage.adapting.set_option("learning_rate", None)
    assert stage.adapting.overrides == {}, "automatic is what the preset says"
