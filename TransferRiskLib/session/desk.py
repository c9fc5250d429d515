"""What the parts of a session share: scene, state, settings, and who is told of changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.jobs.events import Event
from TransferRiskLib.session.state import SessionState
from TransferRiskLib.session.state_nodes import without_removed

Node = Any
T = TypeVar("T")
Verdict = tuple[bool, str]
"""Whether something can be done now, and if not, why."""

YES: Verdict = (True, "")


def no(reason: str) -> Verdict:
    """The verdict that something cannot be done, with the reason for the tooltip."""
    return False, reason


def demand(verdict: Verdict) -> None:
    """Raise SettingsError with the verdict's reason when it is no."""
    if not verdict[0]:
        raise SettingsError(verdict[1])


class Settings(Protocol):
    """Choices that stay with the computer; strings by key, as in `QSettings`.

    Keys in use: `ModelFolder`, `AddedModels` (JSON list of paths), `OutputFolder`, `Interpreter`,
    `Device` (as in `PredictionSettings`), `TrainingSpeed` (JSON, measured).
    """

    def get(self, key: str, default: str = "") -> str:
        """The value of a key."""

    def set(self, key: str, value: str) -> None:
        """Keep a value."""


class MemorySettings:
    """Settings that last as long as the process."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    def get(self, key: str, default: str = "") -> str:
        """The value of a key."""
        return self._values.get(key, default)

    def set(self, key: str, value: str) -> None:
        """Keep a value."""
        self._values[key] = value


class Worker(Protocol):
    """What a session asks of a worker; `jobs.client.WorkerClient` does."""

    @property
    def running(self) -> bool: ...
    def submit(self, task: str, request: Any) -> str: ...
    def cancel(self, identity: str) -> None: ...
    def release(self) -> None: ...
    def poll(self, limit: int = 500) -> list[Event]: ...
    def close(self, wait_seconds: float = 2.0) -> None: ...
    def log_tail(self, lines: int | None = None) -> str: ...


Connect = Callable[[str], Worker]


def prediction_settings(settings: Settings) -> PredictionSettings:
    """How cases are predicted on this computer."""
    return PredictionSettings(device=settings.get("Device") or "auto")


class Desk:
    """The scene, the state and the settings, with those who are told of changes.

    Args:
        scene: The MRML scene.
        settings: Choices that stay with the computer.
        temporary: Where temporary folders are made; None for the system's.

    Attributes:
        changed: Whether the state is newer than what the parameter node holds.
    """

    def __init__(self, scene: Node, settings: Settings, temporary: Path | None = None) -> None:
        self.scene = scene
        self.settings = settings
        self.temporary = temporary
        self._state = SessionState()
        self._callbacks: list[Callable[[str], None]] = []
        self.changed = False
        self._noted: dict[str, None] = {}
        self._found: dict[Hashable, Any] | None = None

    @property
    def state(self) -> SessionState:
        """The current state."""
        return self._state

    def update(self, state: SessionState, change: str) -> None:
        """Replace the state and tell everybody. Nodes that are not in the scene become `GONE`."""
        self._state = without_removed(state, self._is_there)
        self.changed = True
        self.tell(change)

    def forget_removed(self) -> None:
        """A node was removed from the scene: should the state speak of it, it is `GONE` there."""
        state = without_removed(self._state, self._is_there)
        if state is not self._state:
            self._state, self.changed = state, True

    def tell(self, change: str) -> None:
        """Call every callback with the name of a change."""
        for callback in list(self._callbacks):
            callback(change)

    def note(self, change: str) -> None:
        """Have a change told at the next `flush`, however often it happened until then."""
        self._noted[change] = None

    def flush(self) -> None:
        """Tell the changes that were noted."""
        noted, self._noted = self._noted, {}
        for change in noted:
            self.tell(change)

    def subscribe(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Add a callback; gives what removes it."""
        self._callbacks.append(callback)

        def unsubscribe() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return unsubscribe

    @contextmanager
    def glance(self) -> Iterator[None]:
        """Within it `once` finds things out once: for a pass over the window, in which nothing changes."""
        self._found = {}
        try:
            yield
        finally:
            self._found = None

    def once(self, what: Hashable, find: Callable[[], T]) -> T:
        """What `find` finds: during a glance what it found the first time."""
        if self._found is None:
            return find()
        if what not in self._found:
            self._found[what] = find()
        found: T = self._found[what]
        return found

    def node(self, identity: str | None) -> Node | None:
        """The node of an ID, or None when it is gone."""
        return self.scene.GetNodeByID(identity) if identity else None

    def nodes(self) -> list[Node]:
        """All nodes of the scene."""
        nodes = self.scene.GetNodes()
        return [nodes.GetItemAsObject(number) for number in range(nodes.GetNumberOfItems())]

    def remove(self, node: Node) -> None:
        """Remove a node that a job made, if it is still there; the scene's own bookkeeping, which may have
        come with it, stays."""
        gone = node.GetScene() is None
        if gone or node.GetSingletonTag() or node.IsA("vtkMRMLSubjectHierarchyNode"):
            return
        self.scene.RemoveNode(node)

    def _is_there(self, identity: str) -> bool:
        return self.scene.GetNodeByID(identity) is not None


class Held:
    """The nodes that had some IDs at one time, for whoever uses them later: MRML may give the ID of a node
    that is removed in between to another one.

    Args:
        desk: The scene.
        identities: The IDs.
    """

    def __init__(self, desk: Desk, identities: Iterable[str | None]) -> None:
        self._nodes = {identity: desk.node(identity) for identity in identities}

    def node(self, identity: str | None) -> Node | None:
        """The node that had the ID, or None when it is gone."""
        node = self._nodes.get(identity)
        return node if node is not None and node.GetScene() is not None else None
