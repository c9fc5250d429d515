"""Adapt a source model to a few labelled cases."""

from __future__ import annotations

import csv
import dataclasses
import glob
import io
import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from TransferRiskLib.adaptation.adapting import AdaptedModel, adapt_model
from TransferRiskLib.adaptation.optimisers import learning_rate
from TransferRiskLib.adaptation.packaging import trained_contrasts
from TransferRiskLib.atomic import only_run_in, write_json, write_text, writing
from TransferRiskLib.cases.case import Case
from TransferRiskLib.cases.labels import UNLABELLED
from TransferRiskLib.cases.load import LoadedCase
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.evaluation.audit import audit_sentence
from TransferRiskLib.inference.devices import resolve_device
from TransferRiskLib.inference.prepare import Prepared, prepare
from TransferRiskLib.models.opening import open_model
from TransferRiskLib.models.saving import save_bundle
from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.models.weights import file_digest
from TransferRiskLib.progress import Progress
from TransferRiskLib.records import from_json, to_json
from TransferRiskLib.tasks.history import ancestry
from TransferRiskLib.tasks.provenance import fingerprint, provenance, without_names
from TransferRiskLib.tasks.requests import AdaptRequest
from TransferRiskLib.tasks.results import AdaptResult
from TransferRiskLib.tasks.space import demand_space, space_for_training
from TransferRiskLib.tasks.target import Target

WORK, BUNDLE, HISTORY = "work", "bundle", "history.csv"
CLAIM = "run.json"
"""Whose the output folder is: what makes two runs the same."""


def adapt(request: AdaptRequest, progress: Progress) -> AdaptResult:
    """Adapt, resuming an interrupted run of the same request.

    Writes `bundle/` (the adapted model), `history.csv`, `statistics.json` and `result.json` into the
    output folder; `work/` holds checkpoints until the run is complete. A run that is already complete
    is not repeated. The bundle may leave the house and names no case: its provenance holds
    fingerprints, also of the cases that its source was adapted to; `result.json` says which case each of
    its own belongs to, and holds the keys.

    Raises:
        SettingsError: the folder holds another run.
        StorageError: a run is writing into it just now. Others: see the parts.
    """
    progress.stage("Checking the model and the cases")
    model = open_model(request.model)
    target = Target(request.target, model.card, labelled=True)
    with only_run_in(request.output):
        return _adapt(request, model, target, progress)


def _adapt(request: AdaptRequest, model: SourceModel, target: Target, progress: Progress) -> AdaptResult:
    finished = _claim(request, model)
    if finished is not None:
        progress.message("This run was already complete; nothing was done.")
        return finished
    resolve_device(request.prediction.device)  # one that is not there is said before anything is read
    progress.stage("Reading cases", len(target.cases))
    cases, used = [], _UsedCases()
    for loaded in target:
        progress.check()
        used.add(loaded)
        cases.append(prepare(model.card, loaded))
        progress.step()
    cases = _kept_together(cases, used.fingerprints, progress)
    if not (request.output / WORK).exists():  # of a run that is resumed a part is there already
        asks_source = request.settings.scheme != "scratch"
        demand_space(request.output, space_for_training(cases, model, asks_source))
    adapted = adapt_model(
        model,
        cases,
        target.labels,
        request.settings,
        request.prediction,
        request.output / WORK,
        progress,
        request.name,
    )
    return _finish(request, model, adapted, used, progress)


def _kept_together(
    cases: list[Prepared], fingerprints: Mapping[str, str], progress: Progress
) -> list[Prepared]:
    """Cases with the very same images are one patient's, whatever they are called: held out, one would be no
    test of a training on the other."""
    first_of: dict[str, int] = {}
    for n in range(len(cases)):
        first, group = cases[first_of.setdefault(fingerprints[cases[n].name], n)], cases[n].group
        if first.group != group:
            text = f"{first.name} and {cases[n].name} have the same images: they count as one patient's."
            progress.message(text, "warning")
            cases = [dataclasses.replace(c, group=first.group) if c.group == group else c for c in cases]
    return cases


class _UsedCases:
    """What is noted of the cases that a model was adapted to."""

    def __init__(self) -> None:
        self.key = secrets.token_hex(16)
        self.fingerprints: dict[str, str] = {}
        self.labelled_voxels = 0

    def add(self, case: LoadedCase) -> None:
        assert case.labels is not None, "cases to adapt to are labelled"
        self.fingerprints[case.name] = fingerprint(case, self.key)
        self.labelled_voxels += int((case.labels != UNLABELLED).sum())


def _fingerprint(request: AdaptRequest, model: SourceModel) -> dict[str, Any]:
    """What makes two runs the same: everything but where they write and on which device.

    The content of the files counts: labels that were corrected since make another run.
    """
    value = to_json(request)
    for free in ("output", "restart", "model", "prediction"):
        del value[free]
    contents = {case.name: _contents(case) for case in request.target.cohort.cases}
    return {**value, "sha256": model.digest, "files": contents}


def _contents(case: Case) -> list[str]:
    """SHA-256 of a case's images, labels and mask, in a fixed order."""
    paths = [*(file.path for file in case.images.values()), case.labels, case.annotation.mask]
    files = [
        file
        for path in dict.fromkeys(path for path in paths if path is not None)
        for file in (sorted(path.rglob("*")) if path.is_dir() else [*_data_half(path), path])
        if file.is_file()
    ]
    return [file_digest(file) for file in files]


def _data_half(path: Path) -> list[Path]:
    """The file beside a header that holds its voxels (`.hdr` and `.img`, `.mhd` and `.raw`, ...)."""
    if path.suffix.casefold() not in (".hdr", ".mhd", ".nhdr"):
        return []
    return sorted(file for file in path.parent.glob(f"{glob.escape(path.stem)}.*") if file != path)


def _claim(request: AdaptRequest, model: SourceModel) -> AdaptResult | None:
    """Make the output folder this run's own, or give its result when it is complete.

    A run that ended before it had anything to resume, because of a broken image say, holds no claim. Only
    what a run has made is ever replaced: other files of these names are somebody else's.
    """
    output, claim, done = request.output, request.output / CLAIM, request.output / "result.json"
    mine = _fingerprint(request, model)
    held = [path for path in (output / WORK, output / BUNDLE, done) if path.exists()]
    if held and not claim.exists():
        raise SettingsError(
            "is there already, and no adaptation says that it was made by one.",
            file=held[0],
            hint="Choose another output folder.",
        )
    if held and not request.restart:
        if _read_claim(claim) != json.loads(json.dumps(mine)):
            raise SettingsError(
                "holds another adaptation: of other settings, cases or labels, or of files that have "
                "changed since.",
                file=output,
                hint="Choose another output folder, or restart to replace it.",
            )
        if not done.exists():
            return None
        if (output / BUNDLE).exists():
            result = from_json(AdaptResult, json.loads(done.read_text(encoding="utf-8"))["result"])
            # the folder may have been moved, or be named from another place, since
            return dataclasses.replace(result, bundle=output / BUNDLE, history=output / HISTORY)
    if request.model.resolve().is_relative_to((output / BUNDLE).resolve()):
        raise SettingsError(
            "is the source model itself, which this run would replace.",
            file=output / BUNDLE,
            hint="Choose another output folder.",
        )
    with writing(output):
        for name in (WORK, BUNDLE):
            if (output / name).exists():
                shutil.rmtree(output / name)
        done.unlink(missing_ok=True)
    write_json(claim, mine)
    return None


def _read_claim(file: Path) -> Any:
    """What a run wrote of itself; None where that cannot be read, so that it is no run's."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _finish(
    request: AdaptRequest,
    source: SourceModel,
    adapted: AdaptedModel,
    used: _UsedCases,
    progress: Progress,
) -> AdaptResult:
    progress.check()  # from here on nothing can be cancelled: a bundle is written whole
    progress.stage("Saving the adapted model")
    output = request.output
    facts = provenance(
        "adapt",
        [source],
        used.fingerprints,
        to_json(request.settings),
        labelled_voxels=used.labelled_voxels,
        learning_rate=learning_rate(request.settings, source.network),
        normalised_score=adapted.normalised_score,
        normalised_score_without_curves=adapted.score_without_curves,
        eep_weight=adapted.shares.eep,
        wise_ft=adapted.shares.adapted,
        validation_dice=adapted.validation,
        **ancestry(source, request.model, learnt=request.settings.scheme != "scratch"),
    )
    contrasts = trained_contrasts(source.card, request.target.channels)
    card = dataclasses.replace(adapted.model.card, contrasts=contrasts)
    bundle = save_bundle(
        output / BUNDLE,
        card,
        adapted.model.network,
        adapted.model.config,
        provenance=without_names(facts),
    )
    if adapted.statistics is not None:
        of_model = {"model": {"name": source.card.name, "sha256": source.digest}}
        write_json(output / "statistics.json", {**adapted.statistics.to_dict(), **of_model})
    write_text(output / HISTORY, _history(adapted))
    result = AdaptResult(
        bundle,
        output / HISTORY,
        adapted.validation,
        tuple(adapted.audit),
        adapted.shares.eep,
        adapted.model.card.keep_largest,
        adapted.resumed,
        adapted.shares.adapted,
        adapted.normalised_score,
        adapted.score_without_curves,
        {name: own for name, own in request.target.channels.items() if name.casefold() != own.casefold()},
    )
    sentence = audit_sentence(adapted.audit) if adapted.audit else None
    if sentence:
        progress.message(sentence)
    local = {**facts, "fingerprint_key": used.key}
    write_json(output / "result.json", {"result": to_json(result), "audit": sentence, "provenance": local})
    shutil.rmtree(output / WORK, ignore_errors=True)
    progress.artifact(bundle, "bundle")
    return result


def _history(adapted: AdaptedModel) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("training", "step", "loss", "validation_dice"))
    for name, trained in adapted.curves.items():
        dice = dict(trained.curve)
        losses = dict(trained.history)
        for step in sorted({*dice, *losses}):
            writer.writerow((name, step, losses.get(step, ""), dice.get(step, "")))
    return text.getvalue()
