"""In another language: every reason, remark and status that the window shows is a translated template."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from session_tables import BUTTONS, REPORTS, ROW_CASES

from TransferRiskLib.errors import SettingsError, TransferRiskError
from TransferRiskLib.evaluation.audit import AuditRow
from TransferRiskLib.jobs import events
from TransferRiskLib.mrml.styles import STYLES
from TransferRiskLib.session.audit import audit_sentences, audit_table, outcome_sentences
from TransferRiskLib.session.stages import stage_in_words
from TransferRiskLib.session.state import AdaptRun, MappedCase, MapRun, ScanRow
from TransferRiskLib.session.suggesting import Suggestion
from TransferRiskLib.tasks.results import AdaptResult, Lineage, ModelScore
from TransferRiskLib.wording import use_translation, wording


@pytest.fixture(autouse=True)
def another_language():
    """«Marks» around every translated template; which ones were asked for, by context."""
    asked: set[tuple[str, str]] = set()

    def translate(context: str, template: str) -> str:
        asked.add((context, template))
        return f"«{template}»"

    use_translation(translate)
    yield asked
    use_translation()


def translated(*texts: str) -> bool:
    """Whether all words of some texts, of which there is at least one, stand between marks."""
    for text in texts:
        inner = None
        while inner != text:
            inner, text = text, re.sub("«[^«»]*»", "", text)
        assert not re.search(r"[A-Za-z]", text), f"{text!r} is left of one of {texts}"
    return bool(texts) and all(texts)


def reasons(session) -> list[str]:
    return [reason for can, _ in BUTTONS.values() for ok, reason in (can(session)(),) if not ok]


@pytest.fixture
def ready(stage, bundle, add_scan):
    """A session with a model and a complete case; its key."""
    stage.models.add(bundle)
    add_scan("Anna")
    return stage, stage.cases.add_from_scene()[0]


def test_marks_are_told_from_bare_words() -> None:
    assert translated("«No case is complete. Anna: «There is no volume for T1.»»", "«a» «b», 1 %")
    for bare in ("No case.", "«A case» is missing.", "«No case. Anna: » gone"):
        with pytest.raises(AssertionError):
            translated(bare)


def test_reasons_of_an_empty_session(stage, another_language) -> None:
    assert translated(*reasons(stage)) and len(reasons(stage)) > 6
    assert ("session.target_cases", "Add target cases first.") in another_language
    with pytest.raises(SettingsError) as refused:
        stage.maps.compute()
    assert translated(refused.value.message)


def test_reasons_with_a_model_with_cases_and_while_a_job_runs(stage, bundle, add_scan, played) -> None:
    stage.models.add(bundle)
    assert translated(*reasons(stage))
    add_scan("Anna", labelled=False)
    (key,) = stage.cases.add_from_scene()
    assert translated(*reasons(stage), stage.cases.can_add_from_scene()[1])
    stage.cases.prepare_annotation(key)
    stage.cases.set_channel(key, "T1", None)
    assert translated(*reasons(stage), stage.cases.can_annotate(key)[1])
    stage.segmenting.add_from_scene()
    assert translated(*reasons(stage), stage.segmenting.can_edit(stage.segmenting.rows[0].key)[1])
    stage.segmenting.segment()
    assert translated(*reasons(stage), stage.jobs.progress.title, stage.jobs.progress.stage)
    while not played.submitted:
        stage.tick()
    assert translated(stage.jobs.progress.stage)
    stage.jobs.cancel()
    assert translated(*reasons(stage))
    played.say(events.JobCancelled("The work was cancelled."))
    stage.tick()
    assert translated(stage.jobs.outcome.title, stage.jobs.outcome.message)


@pytest.mark.parametrize("name", [name for name, (_, expected) in ROW_CASES.items() if expected])
def test_what_a_row_lacks(ready, scene, name) -> None:
    session, key = ready
    ROW_CASES[name][0](session, scene, key)
    assert translated(*session.cases.missing(key))
    assert translated(session.cases.can_use_labelled()[1])


def test_remarks_on_a_row_and_a_scan(stage, bundle, add_scan) -> None:
    stage.models.add(bundle)
    add_scan("Anna_T2")
    add_scan("Berta_T2", labelled=False)
    key = stage.cases.add_from_scene()[0]
    assert translated(*stage.cases.remarks(key))
    row = ScanRow("row-9", "Berta", stage.cases.rows[1].channels, error="«why»")
    stage._desk.update(replace(stage.state, scans=(row,)), "segment")
    assert translated(*stage.segmenting.remarks("row-9")) and len(stage.segmenting.remarks("row-9")) == 2


def test_a_model_that_cannot_be_used(stage, tmp_path) -> None:
    (tmp_path / "broken" / "configs").mkdir(parents=True)
    (tmp_path / "broken" / "configs" / "card.json").write_text("{}")
    stage.models.choose(tmp_path / "broken")
    headings = [heading for heading, _ in stage.models.card_summary()]
    assert translated(*headings) and len(headings) == 2
    problem = stage.models.chosen.problem  # made by the reader of cards, in English
    assert translated(stage.models.can_use()[1].replace(problem, ""))
    assert translated(stage.models.can_forget(tmp_path)[1])


def test_the_card_the_ranking_and_its_table(ready, bundle) -> None:
    session, _ = ready
    assert translated(*(heading for heading, _ in session.models.card_summary()))
    score = ModelScore("tiny", bundle, -0.5, 0.25, {})
    session._desk.update(replace(session.state, ranking=(score,)), "models")
    header, rows = session.models.ranking()
    assert translated(*header) and rows == (("tiny", "0.250", "-0.500"),)
    matched = replace(score, model="matched", normalised=0.75, without_curves=0.1)
    session._desk.update(replace(session.state, ranking=(matched, score)), "models")
    header, rows = session.models.ranking()
    assert translated(*header)
    assert rows == (("matched", "0.750", "0.100", "-0.500"), ("tiny", "0.250", "", "-0.500"))
    entries = tuple(replace(entry, origin="adapted") for entry in session.models.entries)
    session.models._entries = entries
    assert bundle in [entry.path for entry in entries]
    assert translated(session.models.ranking()[1][1][0].replace("tiny", "")), "of an earlier version"
    for lineage in (Lineage(True, (), True), Lineage(True, ("Anna",), True), Lineage(True), Lineage()):
        session._desk.update(replace(session.state, ranking=(replace(score, lineage=lineage),)), "models")
        ((name, *_),) = session.models.ranking()[1]
        assert translated(name.replace("tiny", "")) if lineage.uncertain else name == "tiny"
        assert ("1" in name) == bool(lineage.trained_on)


def test_a_card_says_what_it_does_not_state(ready) -> None:
    session, _ = ready
    rows = dict(session.models.card_summary())
    assert rows["«Licence»"] == "«not stated»"


def test_maps_their_table_titles_and_score(ready, bundle, played, finish) -> None:
    session, _ = ready
    session.maps.compute()
    assert translated(session.jobs.progress.title)
    score = ModelScore("tiny", bundle, -0.5, 0.02, {}, unnamed=("rim", "lesion"))
    run = MapRun("run", str(bundle), (MappedCase("Anna", "gone", {"risk": "gone"}),), score=score)
    display = replace(session.state.display, run="run", case="Anna")
    session._desk.update(replace(session.state, runs=(run,), display=display), "maps")
    assert translated(session.maps.can_show()[1], *session.maps.score_sentence().split(". "))
    assert session.maps.score_sentence().count("rim, lesion") == 1
    assert translated(*session.maps.table()[0])
    assert translated(*(session.maps.title(kind) for kind in STYLES))


def test_estimate_curves_audit_and_reasons_of_an_adaptation(ready, played, tmp_path) -> None:
    session, key = ready
    assert translated(session.adapting.estimate().sentence)
    session.cases.set_role(key, "held-out")
    assert translated(session.adapting.can_start()[1])
    session.cases.set_role(key, "train")
    session.adapting.set_option("patch_size", [16, 16, 18])
    assert translated(session.adapting.can_start()[1])
    with pytest.raises(SettingsError) as refused:
        session.adapting.set_option("stpes", 3)
    assert translated(refused.value.message)
    session.adapting.set_option("patch_size", None)
    session.adapting.start()
    assert translated(session.jobs.progress.title)
    while not played.submitted:
        session.tick()
    played.say(events.Stage("Fold 1", 3), events.Metrics(1, {"loss": 0.5, "validation_dice": 0.5}))
    session.tick()
    assert translated(session.jobs.progress.stage, *session.adapting.curves)
    assert len(session.adapting.curves) == 2
    result = AdaptResult(
        tmp_path / "gone", tmp_path / "h.csv", audit=(AuditRow("GM", 0.8, 0.7),), normalised_score=0.874,
        score_without_curves=0.021,
    )  # fmt: skip
    session._desk.update(replace(session.state, adapted=AdaptRun("f", "done", result)), "adapt")
    assert translated(session.adapting.outcome_sentence, *session.adapting.audit_table()[0])
    assert translated(session.adapting.can_save_as()[1])


def test_saving_the_model(ready, tmp_path, bundle, finish) -> None:
    session, _ = ready
    result = AdaptResult(bundle, tmp_path / "h.csv")
    session._desk.update(replace(session.state, adapted=AdaptRun("f", "done", result)), "adapt")
    session.adapting.save_as(tmp_path / "saved")
    assert translated(session.jobs.progress.title)
    assert translated(finish(session).message) and (tmp_path / "saved" / "tiny").is_dir()
    session.adapting.save_as(bundle)
    assert finish(session).kind == "error" and translated(session.jobs.outcome.hint)


def test_suggestions() -> None:
    assert translated(Suggestion("k", "Anna", 0.5).sentence)
    assert translated(Suggestion("k", "Anna", 0.5, (1.0, 2.0, 3.0), known_patient=True).sentence)


@pytest.mark.parametrize("name", [name for name, (_, found) in REPORTS.items() if found])
def test_warnings_of_the_environment(stage, name) -> None:
    stage.environment._keep(REPORTS[name][0])
    assert translated(*stage.environment.warnings())


def test_summary_of_the_environment(stage) -> None:
    assert translated(*stage.environment.summary()[0])
    stage.environment._keep(REPORTS["no torch"][0])
    summary = dict(stage.environment.summary())
    assert translated(summary["torch"], next(iter(summary)))
    stage.environment._keep(REPORTS["all is well"][0])
    assert translated(dict(stage.environment.summary())["cuda:0"])


def test_what_an_installation_will_do(stage, tmp_path, monkeypatch) -> None:
    a_wheel = tmp_path / "wheels" / "torch-2.8-cp312.whl"
    a_wheel.parent.mkdir()
    a_wheel.touch()
    for installed in ("nothing", "no torch", "CPU-only torch beside a card", "all is well"):
        if installed in REPORTS:
            stage.environment._keep(REPORTS[installed][0])
        for wheels in (None, tmp_path, a_wheel.parent):
            text, command = stage.environment.installation_text(False, wheels).split("\n\n")
            assert translated(*text.splitlines()) and command.startswith("pip install")
    monkeypatch.setenv("TRANSFERRISK_PYTHON", "/opt/python")
    text, command, card = stage.environment.installation_text(True).split("\n\n")
    assert translated(text, card, stage.environment.can_install()[1])


def test_a_step_that_fails_unexpectedly(ready, monkeypatch) -> None:
    session, _ = ready
    session.maps.compute()

    def broken(*arguments):
        raise RuntimeError("«surprise»")

    monkeypatch.setattr("TransferRiskLib.session.handover.volume_from_node", broken)
    session.tick()
    outcome = session.jobs.outcome
    assert translated(outcome.message, outcome.hint)


def test_a_node_that_vanishes_and_a_scene_that_cannot_be_read(ready, scene) -> None:
    session, _ = ready
    session.maps.compute()
    scene.RemoveNode(scene.GetFirstNodeByName("Anna"))
    session.tick()
    assert translated(session.jobs.outcome.message)
    node = session.parameter_node()
    node.SetParameter("session", '{"version": 99, "state": {}}')
    with pytest.raises(TransferRiskError) as refused:
        session.load_from(node)
    assert translated(refused.value.message, refused.value.hint)


def test_results_that_belong_to_a_closed_scene(ready, scene, played) -> None:
    session, _ = ready
    session.maps.compute()
    scene.Clear(False)
    assert translated(session.jobs.outcome.message)
    session.environment.probe()
    assert translated(session.jobs.progress.title)
    session.tick()
    session.jobs.disconnect()
    assert translated(session.jobs.outcome.message)


def test_stages_of_the_worker() -> None:
    """Every stage that a task announces is known here; others stay as the worker says them."""
    library = Path(__file__).resolve().parents[2] / "TransferRiskLib"
    announced = set()
    for folder in ("tasks", "adaptation", "inference"):
        for file in (library / folder).glob("*.py"):
            if file.name not in ("demo.py", "evaluate.py"):  # tasks of the command line alone
                announced |= set(
                    re.findall(r'progress\.stage\(f?"([^"{]*)', file.read_text(encoding="utf-8"))
                )
    assert {"Computing maps", "Matching the contrast", "Predicting "} <= announced
    for stage in ("Final training", "Fold 2", "From scratch 2", *announced - {"Predicting "}, "Predicting x"):
        assert translated(stage_in_words(stage)), stage
    assert stage_in_words("Something new") == "Something new"


def test_the_audit_in_words() -> None:
    use_translation()
    rows = (
        AuditRow("GM", 0.81, 0.779, 3, 3, 0), AuditRow("lesion", 0.5, 0.512, 3, 0, 3),
        AuditRow("WM", 0.7, 0.6, 3, 2, 1), AuditRow("CSF", 0.7, 0.704, 3, 0, 3),
    )  # fmt: skip
    assert audit_sentences(rows) == (
        "Transfer helped GM (+3.1 Dice points). Transfer hurt lesion (-1.2 Dice points). "
        "Transfer made no clear difference to WM, CSF."
    )
    more = audit_sentences((AuditRow("a", 0.5, 0.48), AuditRow("b", 0.5, 0.3)))
    assert more == "Transfer helped b (+20.0 Dice points), a (+2.0 Dice points)."
    missed = audit_sentences((AuditRow("a", 0.5, 0.48), AuditRow("b", 0.0, 0.0, 3)))
    assert missed.endswith(" Neither training finds b: annotate more of it, or train longer.")
    assert audit_sentences(()) == outcome_sentences(None) == ""
    assert audit_table(rows)[1][1] == ("lesion", "0.500", "0.512", "-0.012", "0 of 3")
    assert outcome_sentences(AdaptResult(Path("m"), Path("h.csv"))).startswith("Nothing was held out: ")
    result = AdaptResult(
        Path("m"), Path("h.csv"), {"GM": 0.8}, normalised_score=0.874, score_without_curves=0.021
    )
    assert outcome_sentences(replace(result, score_without_curves=None)) == ""
    sentence = outcome_sentences(result)
    assert sentence.endswith("raised what the source tells about the labels from 2 % to 87 %.")
    assert outcome_sentences(replace(result, audit=rows)) == f"{audit_sentences(rows)} {sentence}"


@pytest.mark.parametrize("spoilt", ["{names} fehlt", "{} fehlt", "fehlt", "{name} {fehlt", "{name} {fehlt}"])
def test_a_translation_with_other_placeholders_is_not_used(spoilt) -> None:
    use_translation(lambda context, template: spoilt)
    _ = wording("TransferRiskLib.session.maps")
    assert _("{name} is missing").format(name="x") == "x is missing"
    use_translation(lambda context, template: "fehlt: {name}")
    assert _("{name} is missing").format(name="x") == "fehlt: x"


def test_the_language_can_be_set_after_the_texts_were_imported() -> None:
    use_translation()
    assert stage_in_words("Reading cases") == "Reading cases"
    use_translation(lambda context, template: f"{context}|{template}")
    assert stage_in_words("Reading cases") == "session.stages|Reading cases"
