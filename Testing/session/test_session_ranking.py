"""The table of ranked models: on which cases it stands, what it lacks, and which model is which."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from TransferRiskLib.jobs import events
from TransferRiskLib.models.card_files import card_to_json, read_card
from TransferRiskLib.mrml.scenes import load_scene, save_scene
from TransferRiskLib.session.joining import joined
from TransferRiskLib.session.state import CaseRow, SessionState
from TransferRiskLib.tasks.results import ModelScore

CHANGED = "The cases have changed since then: rank again."
OTHERS = "Not in this table: tissue-t1w, lesion-flair."


@pytest.fixture
def made(bundle, tmp_path):
    """Makes a model of a name and channels in a folder of models."""

    def make(folder, name, *channels):
        path = shutil.copytree(bundle, tmp_path / "models" / folder)
        card = card_to_json(read_card(bundle))
        card.update(name=name, channels=list(channels), contrasts=list(channels))
        (path / "configs" / "card.json").write_text(json.dumps(card))
        return path

    return make


@pytest.fixture
def ranked(stage, made, add_scan, played, finish):
    """Anna and Ben, on whom a model of the list was ranked; another one needs a channel that they lack."""
    one, both = made("one", "one", "T1"), made("both", "both", "T1", "FLAIR")
    stage.models.set_folder(str(one.parent))
    for seed, name in enumerate(("Anna", "Ben")):
        add_scan(name, seed)
    stage.models.choose(one)
    stage.cases.add_from_scene()
    stage.models.rank()
    finish(stage, lambda: bool(played.submitted))
    assert both not in played.submitted[-1][1].models
    score = {"model": "one", "path": str(one), "leep": -0.5, "normalised": 0.25, "per_class": {}}
    played.say(events.Done({"scores": [score], "table": "ranking.csv"}))
    assert finish(stage).kind == "done", stage.jobs.outcome
    return stage


def key_of(session, name):
    return next(row.key for row in session.cases.rows if row.name == name)


def test_a_table_says_its_cases_and_the_models_that_are_not_in_it(ranked):
    lacking = "Not ranked, for not every case has its channels: both."
    assert ranked.models.ranking_sentence() == f"Scored on Anna, Ben. {lacking} {OTHERS}"
    ranked._desk.update(replace(ranked.state, ranking=()), "models")
    assert ranked.models.ranking_sentence() == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda session, scene: session.cases.remove(key_of(session, "Ben")),
        lambda session, scene: session.cases.set_segmentation(key_of(session, "Ben"), None),
        lambda session, scene: session.cases.set_label(key_of(session, "Ben"), "anterior", "background"),
        lambda session, scene: session.cases.set_region(key_of(session, "Ben"), "axial"),
        lambda session, scene: session.cases.set_channel(
            key_of(session, "Ben"), "T1", scene.GetFirstNodeByName("Anna").GetID()
        ),
    ],
    ids=["removed", "segmentation", "label", "region", "volume"],
)
def test_a_table_of_other_cases_is_not_taken_for_one_of_these(ranked, scene, change):
    change(ranked, scene)
    assert CHANGED in ranked.models.ranking_sentence()


def test_another_complete_case_makes_a_table_old_and_an_incomplete_one_does_not(ranked, add_scan):
    ranked.cases.add("nothing yet")
    assert CHANGED not in ranked.models.ranking_sentence()
    add_scan("Carl", 2)
    ranked.cases.add_from_scene()
    assert CHANGED in ranked.models.ranking_sentence()


def test_what_no_ranking_looks_at_leaves_a_table_as_it_is(ranked, made):
    ranked.cases.rename(key_of(ranked, "Ben"), "Benjamin")
    ranked.cases.set_role(key_of(ranked, "Anna"), "held-out")
    ranked.models.choose(None)
    assert CHANGED not in ranked.models.ranking_sentence()


def test_a_saved_scene_knows_on_which_cases_its_table_stands(ranked, scene, tmp_path):
    said = ranked.models.ranking_sentence()
    ranked.tick()
    saved = save_scene(scene, tmp_path / "scene.mrb")
    scene.Clear(False)
    assert ranked.models.ranking_sentence() == ""
    load_scene(scene, saved)
    assert ranked.models.ranking_sentence() == said


def test_a_table_of_an_added_scene_stands_on_that_scenes_rows():
    row = CaseRow("k", "Anna", {"T1": "a"})
    score = ModelScore("one", None, -0.5, 0.25, {})
    theirs = SessionState(cases=(row,), ranking=(score,), ranked=(row,))
    both = joined(SessionState(cases=(CaseRow("k", "Anna"),)), theirs)
    assert both.ranked == both.cases[1:] and both.ranked[0].name == "Anna (2)"
    ours = joined(replace(theirs, ranked=(replace(row, key="o"),)), theirs)
    assert [row.key for row in ours.ranked] == ["o"]


def test_what_is_wrong_with_a_model_names_the_file_that_it_is_about(stage, made, tmp_path):
    (made("broken", "broken", "T1") / "configs" / "card.json").write_text("{nope")
    stage.models.set_folder(str(tmp_path / "models"))
    stage.models.choose(tmp_path / "models" / "broken")
    assert stage.models.chosen.problem.startswith("card.json is not valid JSON (")
    stage.models.choose(tmp_path / "models" / "gone")
    assert stage.models.chosen.problem == "There is no such model. Check the path."


def test_models_of_one_name_are_told_apart_by_their_place(ranked, made):
    other = made("again", "one", "T1")
    ranked.models.refresh()
    entries = {entry.path: entry for entry in ranked.models.entries}
    first = next(path for path in entries if path.name == "one")
    assert ranked.models.name_of(entries[other]) == f"one ({other})"
    assert ranked.models.ranking()[1][0][0] == f"one ({first})"
    assert ranked.models.ranking_sentence().endswith(f"tissue-t1w, lesion-flair, one ({other}).")
