"""What to annotate next: how long an answer holds, and that a saved scene brings it back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from TransferRiskLib.demo_models import demo_models
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.mrml.scenes import load_scene, save_scene
from TransferRiskLib.session.joining import joined
from TransferRiskLib.session.state import CaseRow, SessionState, SuggestedNext, SuggestedScan
from TransferRiskLib.session.stored import save_state


@pytest.fixture
def two(stage, scene, bundle, add_scan, suggest):
    """A session with the cases Anna and Berta, both suggested; their keys."""
    stage.models.add(bundle)
    for number, name in enumerate(("Anna", "Berta")):
        add_scan(name, number, labelled=False)
    keys = stage.cases.add_from_scene()
    suggest(stage, *keys)
    return keys


def names(session):
    return [suggestion.name for suggestion in session.cases.suggestions]


def saved_as(session, scene, path):
    session.tick()
    saved = save_scene(scene, path)
    scene.Clear(False)
    return saved


def test_a_suggestion_has_the_name_of_its_row_and_goes_with_its_scan(stage, scene, two):
    stage.cases.rename(two[0], "Anna, first visit")
    assert stage.cases.suggestions[0].sentence.startswith("Anna, first visit:")
    scene.RemoveNode(scene.GetFirstNodeByName("Anna"))
    assert names(stage) == ["Berta"]
    stage.cases.remove(two[1])
    assert names(stage) == []


def test_a_suggestion_is_of_the_volume_that_was_looked_at(stage, scene, two, add_scan):
    other, _ = add_scan("other", 3, labelled=False)
    stage.cases.set_channel(two[0], "T1", other.GetID())
    assert names(stage) == ["Berta"]
    assert stage.cases.can_jump_to_suggestion(two[1])[0]
    can, reason = stage.cases.can_jump_to_suggestion(two[0])
    assert not can and "not suggested any more" in reason
    with pytest.raises(SettingsError, match="not suggested any more"):
        stage.cases.jump_to_suggestion(two[0])
    stage.cases.jump_to_suggestion(two[1])


def test_suggestions_are_the_answer_of_one_model(stage, two, bundle, tmp_path):
    stage.models.choose(tmp_path / "another")
    assert names(stage) == []
    assert stage.cases.can_suggest_next() == (
        False, "The source model cannot be used: section 1 says why.",
    )  # fmt: skip
    stage.models.choose(bundle)
    assert names(stage) == ["Anna", "Berta"]
    stage.models.choose(None)
    assert names(stage) == []
    assert stage.cases.can_suggest_next()[1] == "Choose a source model first."


def test_a_saved_scene_brings_the_suggestions_back(stage, scene, two, add_scan, tmp_path):
    saved = saved_as(stage, scene, tmp_path / "scene.mrb")
    assert names(stage) == []
    add_scan("in the way", 3)  # takes the IDs of the saved nodes
    load_scene(scene, saved)
    assert names(stage) == ["Anna", "Berta"]
    assert stage.cases.suggestions[0].lps == (1.0, 2.0, 3.0)
    assert stage.cases.can_jump_to_suggestion(two[0])[0]
    stage.cases.jump_to_suggestion(two[0])
    scene.RemoveNode(scene.GetFirstNodeByName("Berta"))
    stage.tick()
    load_scene(scene, saved_as(stage, scene, tmp_path / "again.mrb"))
    assert names(stage) == ["Anna"]


def test_suggestions_go_with_their_scene(stage, scene, two, add_scan):
    scene.Clear(False)
    assert stage.state.suggested == SuggestedNext()


def test_suggestions_of_a_demonstration_model_hold_in_another_installation(stage, two):
    theirs = "/elsewhere/TransferRiskLib/demo_models/tissue-t1w"
    state = replace(stage.state, model=theirs, suggested=replace(stage.state.suggested, model=theirs))
    save_state(state, stage.parameter_node())
    stage.load_from(stage.parameter_node())
    assert stage.state.suggested.model == stage.state.model == str(demo_models()["tissue-t1w"])
    assert names(stage) == ["Anna", "Berta"]


def test_a_scene_that_is_added_brings_its_suggestions_where_there_are_none():
    answer = SuggestedNext("m", (SuggestedScan("k", 0.5), SuggestedScan("gone", 0.25)))
    theirs = SessionState(cases=(CaseRow("k", "theirs"),), suggested=answer)
    ours = SessionState(cases=(CaseRow("k", "ours"),))
    both = joined(ours, theirs)
    (scan,) = both.suggested.scans
    assert (both.suggested.model, scan.key) == ("m", both.cases[1].key) and scan.key != "k"
    own = replace(ours, suggested=SuggestedNext("n", (SuggestedScan("k", 1.0),)))
    assert joined(own, theirs).suggested == own.suggested
