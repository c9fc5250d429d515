"""An experiment's file, read and checked as far as that goes without its images."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from experiments.config import Experiment, MethodSpec, ScenarioSpec, SourceSpec
from experiments.matrices import expanded
from experiments.methods import combinations, layered, settings_of
from experiments.networks import plan_network
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.records import from_json

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+]*(-[A-Za-z0-9_.+]+)*")


def read_document(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        SettingsError: no such file, or no JSON object.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError("cannot be read.", file=path, hint="Check the path.") from error
    except ValueError as error:
        raise SettingsError(f"is no JSON ({error}).", file=path) from error
    if not isinstance(document, dict):
        raise SettingsError("must hold a JSON object.", file=path)
    return document


def parse_experiment(document: dict[str, Any], file: Path | None = None) -> Experiment:
    """The experiment that a document describes, checked.

    Raises:
        SettingsError: anything that is unknown, missing or contradictory; it names the place.
    """
    try:
        document = expanded(document)
        methods = document.get("methods")
        if isinstance(methods, dict):
            document["methods"] = {name: _method(method) for name, method in methods.items()}
        experiment = from_json(Experiment, document, "experiment")
        _check(experiment)
        return experiment
    except SettingsError as error:
        raise SettingsError(error.message, file=file, hint=error.hint) from error


def _method(method: Any) -> Any:
    """`with` is no name that Python allows a field."""
    if not isinstance(method, dict):
        return method
    if "partner" in method:
        raise SettingsError("A method has no field 'partner'.", hint="The field is called 'with'.")
    return {("partner" if key == "with" else key): value for key, value in method.items()}


def _check(experiment: Experiment) -> None:
    e = experiment
    names = [s.name for s in e.scenarios]
    for what, some in (
        ("scenario", names),
        ("source", list(e.sources)),
        ("method", list(e.methods)),
        ("cohort", list(e.cohorts)),
    ):
        for name in some:
            if not _NAME.fullmatch(name):
                raise SettingsError(
                    f"The {what} {name!r} needs another name: letters, digits, '.', '_', '+', single '-'."
                )
        repeated = [name for name in some if some.count(name) > 1]
        if repeated:
            raise SettingsError(f"There are two {what}s named {repeated[0]!r}.")
    for what, items in (("scenarios", names), ("methods", e.methods), ("seeds", e.seeds), ("k", e.k)):
        if not items:
            raise SettingsError(f"An experiment needs {what}.")
    _check_numbers("experiment.k", e.k, 1)
    _check_numbers("experiment.seeds", e.seeds, 0)
    for name, source in e.sources.items():
        _check_source(f"sources.{name}", source)
    for scenario in e.scenarios:
        _check_scenario(e, scenario)
    for name, method in e.methods.items():
        _check_method(e, name, method)
    strangers = [name for name in e.baseline if name not in e.methods]
    if strangers:
        raise SettingsError(f"The baseline {strangers[0]!r} is no method.")
    _check_tuning(e)


def _check_source(where: str, source: SourceSpec) -> None:
    layered({"preset": "scratch"}, source.settings, where=f"{where}.settings")
    try:
        _, divisible_by = plan_network(source.network, source.patch, source.spacing, len(source.channels), 2)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error.message}", hint=error.hint) from error
    if min(source.patch) < 1 or any(edge % divisible_by for edge in source.patch):
        raise SettingsError(f"{where}.patch must be a multiple of {divisible_by} along every axis.")


def _check_numbers(where: str, numbers: tuple[int, ...], least: int) -> None:
    if min(numbers) < least or len(set(numbers)) < len(numbers):
        raise SettingsError(f"{where} must hold different numbers from {least} up, not {list(numbers)}.")


def _check_scenario(e: Experiment, scenario: ScenarioSpec) -> None:
    where = f"scenarios.{scenario.name}"
    if scenario.source not in e.sources:
        raise SettingsError(
            f"{where} names the source {scenario.source!r}, which is not there.",
            hint=f"Sources: {', '.join(e.sources) or 'none'}.",
        )
    wanted = len(e.sources[scenario.source].channels)
    if len(scenario.channels) != wanted:
        raise SettingsError(f"{where} has {len(scenario.channels)} channels, its source {wanted}.")
    if scenario.subjects == "fold":
        raise SettingsError(f"{where}.subjects cannot be 'fold': that is what is left for a source.")
    if isinstance(scenario.test, int) and scenario.test < 1:
        raise SettingsError(f"{where}.test must be at least 1.")
    if scenario.k is not None:
        _check_numbers(f"{where}.k", scenario.k or (0,), 1)
    strangers = [name for name in scenario.methods or () if name not in e.methods]
    if strangers:
        raise SettingsError(f"{where} names the method {strangers[0]!r}, which is not there.")
    missing = [
        m
        for m in scenario.methods or ()
        if e.methods[m].kind == "mix" and e.methods[m].of not in (scenario.methods or ())
    ]
    if missing:
        raise SettingsError(f"{where} has {missing[0]!r} without the method that it mixes.")


_FIELDS: dict[str, tuple[str, ...]] = {
    "source": (),
    "eep": (),
    "adapt": ("settings",),
    "ensemble": ("of", "members"),
    "mix": ("of", "partner", "share"),
}


def _check_method(e: Experiment, name: str, method: MethodSpec) -> None:
    where = f"methods.{name}"
    needs = _FIELDS[method.kind]
    for field, given in (
        ("settings", bool(method.settings)),
        ("of", method.of is not None),
        ("members", method.members is not None),
        ("partner", method.partner is not None),
        ("share", method.share is not None),
    ):
        shown = "with" if field == "partner" else field
        if given and field not in needs:
            raise SettingsError(f"{where}: a method of kind {method.kind!r} has no {shown!r}.")
        if not given and field in needs and field != "settings":
            raise SettingsError(f"{where}: a method of kind {method.kind!r} needs {shown!r}.")
    if method.of is not None and (method.of not in e.methods or e.methods[method.of].kind != "adapt"):
        raise SettingsError(f"{where}.of must name a method of kind 'adapt', not {method.of!r}.")
    if isinstance(method.members, int) and method.members < 1:
        raise SettingsError(f"{where}.members must be at least 1.")
    if method.share is not None and not 0 <= method.share <= 1:
        raise SettingsError(f"{where}.share must be 0 to 1.")
    if method.kind == "mix" and (method.partner == "none") != (method.share == 0):
        raise SettingsError(f"{where}: the share is 0 with 'none', and only then.")
    if method.kind == "adapt":
        settings_of(e, name)


def _check_tuning(e: Experiment) -> None:
    if e.tuned and e.tuning is None:
        raise SettingsError("'tuned' asks for what 'tuning' chose, but there is no 'tuning'.")
    if e.tuning is None:
        return
    adapts = [name for name, method in e.methods.items() if method.kind == "adapt"]
    strangers = sorted(set(e.tuning.grids) - set(adapts))
    if strangers:
        raise SettingsError(f"tuning.grids names {strangers[0]!r}, which is no method of kind 'adapt'.")
    if e.tuning.k < 1:
        raise SettingsError("tuning.k must be at least 1.")
    sizes = {name: len(combinations(e, name)) for name in adapts}
    if 0 in sizes.values() or len(set(sizes.values())) > 1:
        raise SettingsError(f"Every method must have as large a grid as the others; they have {sizes}.")
    for name in adapts:
        for chosen in combinations(e, name):
            settings_of(e, name, {**e.tuning.settings, **chosen})
