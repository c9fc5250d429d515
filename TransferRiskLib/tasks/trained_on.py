"""Which of the cases at hand a model was adapted to: it knows them too well to be compared on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.history import known_keys, read_history
from TransferRiskLib.tasks.provenance import fingerprint
from TransferRiskLib.tasks.results import Lineage
from TransferRiskLib.tasks.target import Target


def lineages(models: Sequence[tuple[Path, SourceModel, Target]], progress: Progress) -> list[Lineage]:
    """What is known of the training of each model, as far as it has to do with the target's cases.

    A model has learnt from the cases of its source too, and from those of that one's source. Where a model's
    record does not say whether its source was adapted, a source that is among these is asked itself; a
    copy without its keys goes by those of the original, or of a descendant, that is among these. Cases are
    the same when their images are, whatever they are called.

    Args:
        models: Path, model and the cases as it sees them.
    """
    histories = [read_history(path, model.digest) for path, model, _target in models]
    keys = known_keys(histories)
    runs = [{run.cases for run in history.runs} for history in histories]
    told = {
        model.digest: number
        for number, (_path, model, _target) in enumerate(models)
        if model.digest not in histories[number].unknown
    }
    unsure = [bool(history.unknown - told.keys()) for history in histories]
    for _ in models:  # a chain of adaptations among these has no more links than that
        for number, history in enumerate(histories):
            for source in (told[digest] for digest in history.unknown & told.keys()):
                runs[number] |= runs[source]
                unsure[number] |= unsure[source]
    seen = _seen([target for _, _, target in models], runs, keys, progress)
    found = []
    for number, (_path, _model, target) in enumerate(models):
        names = tuple(case.name for case in target.cases if case.name in seen[number])
        uncertain = unsure[number] or not runs[number] <= keys.keys()
        found.append(Lineage(bool(histories[number].runs), names, uncertain))
    return found


def _seen(
    targets: Sequence[Target],
    runs: Sequence[set[frozenset[str]]],
    keys: Mapping[frozenset[str], str],
    progress: Progress,
) -> list[set[str]]:
    """Names of the cases that each model's runs were trained on, as far as their keys are known. The cases
    are read once for all models of the same channels, one in memory at a time."""
    seen: list[set[str]] = [set() for _ in targets]
    for channels in dict.fromkeys(target.card.channels for target in targets):
        same = [number for number, target in enumerate(targets) if target.card.channels == channels]
        asked = {run for number in same for run in runs[number] if run in keys}
        if not asked:
            continue
        cases = targets[same[0]]
        progress.stage("Reading cases", len(cases.cases))
        for loaded in cases:
            progress.check()
            known = {run for run in asked if fingerprint(loaded, keys[run]) in run}
            for number in same:
                if runs[number] & known:
                    seen[number].add(loaded.name)
            progress.step()
    return seen
