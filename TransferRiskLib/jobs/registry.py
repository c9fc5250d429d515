"""The tasks a worker knows: where their request type and function are, imported when needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from TransferRiskLib.errors import SettingsError

_REQUESTS = "TransferRiskLib.tasks.requests"


@dataclass(frozen=True)
class TaskEntry:
    """A task as two `module:name` references, so that knowing a task imports nothing.

    Attributes:
        request: The request record.
        function: `(request, progress) -> result`.
    """

    request: str
    function: str

    def request_type(self) -> type:
        """The class of the request."""
        return _resolve(self.request)

    def load(self) -> Callable[[Any, Any], Any]:
        """The task's function; this is where heavy libraries are imported."""
        return _resolve(self.function)


TASKS: Mapping[str, TaskEntry] = {
    "rank": TaskEntry(f"{_REQUESTS}:RankRequest", "TransferRiskLib.tasks.rank:rank"),
    "map": TaskEntry(f"{_REQUESTS}:MapRequest", "TransferRiskLib.tasks.map:map_risk"),
    "adapt": TaskEntry(f"{_REQUESTS}:AdaptRequest", "TransferRiskLib.tasks.adapt:adapt"),
    "segment": TaskEntry(f"{_REQUESTS}:SegmentRequest", "TransferRiskLib.tasks.segment:segment"),
    "evaluate": TaskEntry(f"{_REQUESTS}:EvaluateRequest", "TransferRiskLib.tasks.evaluate:evaluate"),
    "measure": TaskEntry(f"{_REQUESTS}:MeasureRequest", "TransferRiskLib.tasks.measure:measure"),
    "probe": TaskEntry(f"{_REQUESTS}:ProbeRequest", "TransferRiskLib.tasks.probe:probe"),
    "demo": TaskEntry(f"{_REQUESTS}:DemoRequest", "TransferRiskLib.tasks.demo:demo"),
}


def find_task(registry: Mapping[str, TaskEntry], name: str) -> TaskEntry:
    """The entry of a task; raises SettingsError when there is none."""
    if name not in registry:
        raise SettingsError(f"There is no task {name!r}.", hint=f"Tasks: {', '.join(registry)}.")
    return registry[name]


def _resolve(reference: str) -> Any:
    module, name = reference.split(":")
    return getattr(importlib.import_module(module), name)
