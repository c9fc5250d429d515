"""What an adaptation has to do: training steps, predictions, comparisons."""

from __future__ import annotations

import math
from dataclasses import dataclass

from TransferRiskLib.adaptation.folds import LEAVE_ONE_OUT_UP_TO
from TransferRiskLib.adaptation.settings import EEP_WEIGHTS, WISE_SHARES, AdaptationSettings


@dataclass(frozen=True)
class Workload:
    """The work of one adaptation.

    Attributes:
        trainings: Networks that are trained: every fold, every fold from scratch for the audit, and the
            final one.
        probe_steps: Steps of the output layer alone, at the beginning of each training that is not
            from scratch.
        steps: Training steps of all trainings.
        predictions: Cases that a network looks at.
        scorings: Predictions of a case that are compared with its labels.
    """

    trainings: int
    probe_steps: int
    steps: int
    predictions: int
    scorings: int


def workload(settings: AdaptationSettings, cases: int, patients: int, new_labels: bool) -> Workload:
    """The most that an adaptation does, as `adaptation.adapting` does it: it can stop early, and a source
    that tells nothing about the target takes no part in the choices.

    Args:
        settings: What is asked for.
        cases: Training cases.
        patients: Whose cases they are; those of one are held out together.
        new_labels: Whether a label is new to the source model.
    """
    folds = min(patients, LEAVE_ONE_OUT_UP_TO if settings.folds is None else settings.folds)
    folds = folds if folds >= 2 else 0
    from_source = settings.scheme != "scratch"
    audits = folds if settings.audit else 0
    probes = settings.head == "probe" or (settings.head in ("auto", "translate") and new_labels)
    probe = settings.probe_steps if probes and from_source else 0
    validations = math.ceil(settings.steps / settings.validate_every)
    known_head = settings.head == "translate" or (settings.head in ("auto", "keep") and not new_labels)
    averages = from_source and known_head and settings.wise_ft is None
    weights = len(WISE_SHARES) if averages else 1
    eep = len(EEP_WEIGHTS) if settings.eep_weight is None and from_source else 1
    refreshes = len(settings.weight_refresh) if settings.weights != "none" and from_source else 0
    held_out = cases if folds else 0  # each case is held out once
    audited = held_out * (validations + 2) if audits else 0
    # Without folds, weights are only averaged where that keeps the fit on the training cases.
    fit = 2 * cases if averages and not folds else 0
    predictions = (
        (cases if from_source else 0)
        + held_out * (validations + weights)
        + audited
        # Each fold weighs all cases but its own anew, the final training all of them.
        + refreshes * cases * max(1, folds)
        + fit
    )
    scorings = held_out * (validations + weights * eep) + audited + fit
    # Where another contrast makes curves worth fitting, every training but those from scratch has its own,
    # and the source is asked again with them.
    curves = folds + 1 if from_source and settings.input_curves != "off" else 0
    predictions += curves * cases
    steps = (folds + 1) * (settings.steps + probe) + audits * settings.steps + curves * settings.curve_steps
    return Workload(folds + audits + 1, probe, steps, predictions, scorings)
