"""What the worker is at, in the user's language: it names its stages in English."""

from __future__ import annotations

from TransferRiskLib.wording import wording

_ = wording(__name__)


def stage_in_words(stage: str) -> str:
    """A stage of a task for the window; one that is not known here stays as the worker says it."""
    known = {
        "Asking the source model": _("Asking the source model"),
        "Checking models and cases": _("Checking models and cases"),
        "Checking the model and the cases": _("Checking the model and the cases"),
        "Comparing contrasts": _("Comparing contrasts"),
        "Computing maps": _("Computing maps"),
        "Final training": _("Final training"),
        "Looking at libraries and devices": _("Looking at libraries and devices"),
        "Matching the contrast": _("Matching the contrast"),
        "Opening the model": _("Opening the model"),
        "Reading cases": _("Reading cases"),
        "Saving the adapted model": _("Saving the adapted model"),
        "Timing training and prediction": _("Timing training and prediction"),
    }
    numbered = {
        "Fold": _("Fold {which}"),
        "From scratch": _("From scratch {which}"),
        "Predicting": _("Predicting {which}"),
    }
    if stage in known:
        return known[stage]
    for beginning, template in numbered.items():
        if stage.startswith(f"{beginning} "):
            return template.format(which=stage.removeprefix(f"{beginning} "))
    return stage
