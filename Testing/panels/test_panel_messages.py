"""The line at the foot of the window, and sentences beside tables: what failed or has changed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from TransferRiskLib.errors import ModelError


def test_a_failed_job_becomes_a_line_that_can_be_put_away(desk: SimpleNamespace) -> None:
    import qt

    ui, jobs = desk.ui, desk.session.jobs
    assert ui.messageLine.isHidden()
    jobs.outcome = SimpleNamespace(
        kind="error", title="Mapping", message="Out of memory.", hint="Take the CPU.", details="trace"
    )
    desk.session.tell("job")
    desk.tick()
    assert ui.messageLabel.text == "Mapping failed: Out of memory. Take the CPU."
    desk.widget.resize(450, 500)
    desk.widget.show()
    ui.messageDetailsButton.click()
    assert ui.logText.toPlainText() == "trace"
    for _ in range(3):
        qt.application.processEvents()
        desk.tick()
    corner = ui.logText.mapTo(ui.scrollArea, ui.logText.rect.center())
    assert ui.scrollArea.rect.contains(corner), "the log is scrolled into view"
    ui.dismissMessageButton.click()
    desk.tick()
    assert ui.messageLine.isHidden()


def test_a_scene_whose_choices_could_not_be_read_says_so(desk: SimpleNamespace) -> None:
    desk.session.problem = "The choices of this scene cannot be read."
    desk.session.tell("state")
    desk.tick()
    assert desk.ui.messageLabel.text == "The choices of this scene cannot be read."
    desk.ui.dismissMessageButton.click()
    desk.tick()
    assert desk.ui.messageLine.isHidden()


def test_a_refused_request_becomes_a_line_and_goes_with_the_next_try(desk: SimpleNamespace) -> None:
    desk.session.models.errors["rank"] = ModelError("No card.", file="x.ts", hint="Add one.")
    desk.ui.rankButton.click()
    desk.tick()
    assert desk.ui.messageLabel.text == "x.ts: No card. Add one."
    desk.ui.computeMapButton.click()
    desk.tick()
    assert desk.ui.messageLine.isHidden()


def test_a_mistake_of_ours_is_a_line_with_details_and_goes_to_the_log_and_the_report(
    desk: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    ui = desk.ui
    desk.session.maps.errors["compute"] = ValueError("no such node")
    ui.computeMapButton.click()
    desk.tick()
    assert ui.messageLabel.text == "It failed unexpectedly: no such node"
    assert "ValueError: no such node" in caplog.text and "Traceback" in caplog.text
    ((_, details),) = [call for call in desk.session.calls if call[0] == "environment.remember_failure"]
    assert details.startswith("Traceback") and details.endswith("ValueError: no such node\n")
    ui.messageDetailsButton.click()
    assert ui.logText.toPlainText() == details
    desk.session.models.errors["rank"] = KeyError()
    ui.rankButton.click()
    desk.tick()
    assert ui.messageLabel.text == "It failed unexpectedly: KeyError"
    desk.session.jobs.outcome = SimpleNamespace(
        kind="error", title="Mapping", message="Failed.", hint="", details="trace"
    )
    ui.suggestButton.click()
    desk.tick()
    assert ui.messageLabel.text == "Mapping failed: Failed." and not ui.messageDetailsButton.isHidden()
    ui.messageDetailsButton.click()
    assert ui.logText.toPlainText() == "trace"
    desk.session.models.errors["rank"] = ModelError("No card.")
    ui.rankButton.click()
    desk.tick()
    assert ui.messageDetailsButton.isHidden(), "there is no more to say of a refusal"


def test_a_tick_that_fails_is_told_once_and_the_next_ones_go_on(
    desk: SimpleNamespace, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, window = desk.session, desk.window

    def broken() -> None:
        raise ValueError("no such node")

    with monkeypatch.context() as patched:
        patched.setattr(session, "tick", broken)
        window._on_timer()
        window._on_timer()
    window._on_timer()
    assert desk.ui.messageLabel.text == "It failed unexpectedly: no such node"
    assert caplog.text.count("Traceback") == 1
    ((_, details),) = [call for call in session.calls if call[0] == "environment.remember_failure"]
    assert details.endswith("ValueError: no such node\n")


def test_the_timer_calls_what_reports_failures(
    desk: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal swallows what its receiver raises."""
    told: list[str] = []
    monkeypatch.setattr(desk.window, "_say_unexpected", lambda error: told.append(str(error)))

    def broken() -> None:
        raise ValueError("no such node")

    monkeypatch.setattr(desk.session, "tick", broken)
    desk.window._timer.timeout.emit()
    assert told == ["no such node"]


def test_what_a_ranking_holds_for_follows_the_cases(desk: SimpleNamespace) -> None:
    assert desk.ui.rankingLabel.text == "Scored on Anna."
    desk.session.models.ranking_sentence = lambda: "Scored on Anna. The cases have changed since then."
    desk.session.tell("cases")
    desk.tick()
    assert desk.ui.rankingLabel.text == "Scored on Anna. The cases have changed since then."
    desk.session.models.ranking_sentence = str
    desk.session.tell("models")
    desk.tick()
    assert desk.ui.rankingLabel.isHidden()
