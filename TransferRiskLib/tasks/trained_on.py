"""Which of the cases at hand an adapted model was trained on: it knows them too well to be compared on them.

A model that may leave the house holds fingerprints of its cases, which tell nothing without the key; the key
lies in the record of its run, `result.json` beside the model's folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from TransferRiskLib.models.source_model import SourceModel
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.provenance import fingerprint
from TransferRiskLib.tasks.results import Lineage
from TransferRiskLib.tasks.target import Target


@dataclass(frozen=True)
class TrainingRecord:
    """What is noted of the training of an adapted model.

    Attributes:
        fingerprints: Of its cases.
        sources: SHA-256 of the models that it was adapted from.
        key: Of the fingerprints; None where the record of the run is not at hand.
    """

    fingerprints: frozenset[str]
    sources: frozenset[str]
    key: str | None = None


def training_record(model: Path) -> TrainingRecord | None:
    """The record of an adapted model's folder; None for a model that is none, or says nothing of it.

    Args:
        model: Its folder.
    """
    public = _read(model / "configs" / "provenance.json")
    cases, models = public.get("cases"), public.get("models")
    if public.get("task") != "adapt" or not isinstance(cases, list) or not isinstance(models, list):
        return None
    fingerprints = frozenset(str(case) for case in cases)
    sources = frozenset(str(source.get("sha256")) for source in models if isinstance(source, dict))
    local = _read(model.resolve().parent / "result.json").get("provenance")
    local = local if isinstance(local, dict) else {}
    known, key = local.get("cases"), local.get("fingerprint_key")
    # A copy may lie beside the record of another run.
    own = isinstance(known, dict) and fingerprints == frozenset(map(str, known.values()))
    return TrainingRecord(fingerprints, sources, key if own and isinstance(key, str) else None)


def lineages(models: Sequence[tuple[Path, SourceModel, Target]], progress: Progress) -> list[Lineage]:
    """What is known of the training of each model, as far as it has to do with the target's cases.

    A model that was adapted from another one of these has learnt from that one's cases too; sources that are
    not among these are not followed. A copy of a model goes by the record of the original, where that is one
    of these. Cases are the same when their images are, whatever they are called.

    Args:
        models: Path, model and the cases as it sees them.
    """
    records: dict[str, TrainingRecord] = {}
    targets: dict[str, Target] = {}
    for path, model, target in models:
        record = training_record(path)
        if record is not None and (record.key or model.digest not in records):
            records[model.digest], targets[model.digest] = record, target
    seen = _seen(records, targets, progress)
    known = {digest: record.key is not None for digest, record in records.items()}
    for _ in records:  # a chain of adaptations has no more links than that
        for digest, record in records.items():
            sources = record.sources & records.keys()
            seen[digest].update(*(seen[source] for source in sources))
            known[digest] &= all(known[source] for source in sources)
    found = []
    for _path, model, target in models:
        names = tuple(case.name for case in target.cases if case.name in seen.get(model.digest, ()))
        found.append(Lineage(model.digest in records, names, not known.get(model.digest, True)))
    return found


def _seen(
    records: Mapping[str, TrainingRecord], targets: Mapping[str, Target], progress: Progress
) -> dict[str, set[str]]:
    """Names of the cases that each model was adapted to itself, by the model's SHA-256. The cases are read
    once for all models of the same channels, one in memory at a time."""
    seen: dict[str, set[str]] = {digest: set() for digest in records}
    for channels in dict.fromkeys(target.card.channels for target in targets.values()):
        asked = [d for d, record in records.items() if record.key and targets[d].card.channels == channels]
        if not asked:
            continue
        cases = targets[asked[0]]
        progress.stage("Reading cases", len(cases.cases))
        for loaded in cases:
            progress.check()
            for digest in asked:
                record = records[digest]
                if fingerprint(loaded, record.key or "") in record.fingerprints:
                    seen[digest].add(loaded.name)
            progress.step()
    return seen


def _read(file: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none that can be read."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
