"""What a person is doing, free of any GUI toolkit: the window shows it and passes clicks on."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from TransferRiskLib.discarding import remove_orphans
from TransferRiskLib.errors import SettingsError
from TransferRiskLib.mrml import plots
from TransferRiskLib.session.adapt_settings import understood
from TransferRiskLib.session.adapting import Adapting
from TransferRiskLib.session.desk import Connect, Desk, Node, Settings
from TransferRiskLib.session.environment import Environment
from TransferRiskLib.session.jobs import Jobs
from TransferRiskLib.session.joining import joined
from TransferRiskLib.session.maps import Maps
from TransferRiskLib.session.segmenting import Segmenting
from TransferRiskLib.session.source_models import SourceModels, here
from TransferRiskLib.session.state import SessionState
from TransferRiskLib.session.stored import (
    PARAMETER,
    claim,
    end_claim,
    find_parameter_node,
    load_state,
    parameter_node,
    save_state,
)
from TransferRiskLib.session.target_cases import TargetCases
from TransferRiskLib.session.training import settled
from TransferRiskLib.session.watching import Watch
from TransferRiskLib.wording import wording

_ = wording(__name__)
CHANGES = ("models", "cases", "maps", "display", "adapt", "curves", "segment", "environment", "job", "state")
"""What callbacks are told: the list or choice of models, the case rows, runs of maps, how maps are
shown, settings or result of an adaptation, its live curves, scans and their results, the report on the
worker's machine, the running job or its outcome, and everything at once (scene opened or closed)."""

_YIELD_SECONDS = 0.002


class Session:
    """A session on one MRML scene.

    A GUI timer calls `tick` about ten times a second on the main thread; it returns quickly, except
    that single nodes are handed to MRML in it. Whatever the user may do is a method of one of the
    parts. For each `xxx` that can be impossible there is a `can_xxx() -> (ok, reason)`: the reason,
    in words, is for the tooltip of the disabled button. Methods raise `TransferRiskError` with that
    reason when they are called regardless; a failed job shows in `jobs.outcome`.

    Args:
        scene: The MRML scene.
        connect: Makes the worker's client for the interpreter path that the user set (empty for
            none), `jobs.client.client_for` for instance; called when the first job starts.
        settings: Choices that belong to the computer, not to a scene (see `desk.Settings`).
        temporary: Where temporary folders are made; the system's folder by default.

    Attributes:
        models: Source model: list, choice, ranking.
        cases: Target cases.
        maps: Risk maps.
        adapting: Adaptation.
        segmenting: Segmentation of new scans.
        environment: Worker, devices, report.
        jobs: The running job, its progress and its outcome.
        problem: Why the choices in an opened scene could not be read; empty when they could.

    Example:
        >>> session = Session(slicer.mrmlScene, client_for, MemorySettings())      # doctest: +SKIP
        >>> session.models.choose(path); session.cases.add_from_scene()            # doctest: +SKIP
        >>> session.maps.compute()                                                 # doctest: +SKIP
    """

    def __init__(
        self, scene: Node, connect: Connect, settings: Settings, *, temporary: Path | None = None
    ) -> None:
        # Images that a crash left behind need not lie about until the next job.
        remove_orphans(Path(tempfile.gettempdir()) if temporary is None else temporary)
        self._desk = Desk(scene, settings, temporary)
        self.jobs = Jobs(self._desk, connect)
        self.cases = TargetCases(self._desk, self.jobs, lambda: self.models.card)
        self.models = SourceModels(self._desk, self.jobs, self.cases)
        self.maps = Maps(self._desk, self.jobs, self.cases, self.models.can_use, self._model_name)
        self.environment = Environment(self._desk, self.jobs)
        self.adapting = Adapting(self._desk, self.jobs, self.models, self.cases, self.environment.device_kind)
        self.segmenting = Segmenting(self._desk, self.jobs, self.models, self.cases)
        self.problem = ""
        self._nodes_changed = False
        self._watch = Watch(self._desk)
        self._kept: tuple[Node, str] | None = None  # the node that was written last, and its text
        self._observers = self._observe()
        # Slicer makes the window when the module is opened, perhaps long after a saved scene was.
        node = find_parameter_node(scene)
        if node is not None:
            self._read(node, self.load_from)

    @property
    def state(self) -> SessionState:
        """The current choices and results; frozen, replaced at every change."""
        return self._desk.state

    def subscribe(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Have `callback` called with one of `CHANGES` after each change; gives what ends that."""
        return self._desk.subscribe(callback)

    def tick(self) -> None:
        """Poll the worker, apply what it said, hand over the next node; for a timer of about 100 ms."""
        if self._desk.scene.IsBatchProcessing():
            return  # a scene is being opened or closed, and something let the timer through
        if self.jobs.busy:
            # Inside Slicer the threads that read the worker's pipes run only while the main thread
            # lets go of the interpreter.
            time.sleep(_YIELD_SECONDS)
        self.jobs.advance()
        if self._nodes_changed:
            self._watch.again()
            plots.remove_leftovers(self._desk.scene)
        if self._watch.settled() or self._nodes_changed:
            self._nodes_changed = False
            for change in ("cases", "segment", "maps"):
                self._desk.note(change)
            self._desk.flush()
        self._keep()

    def save_to(self, parameter_node: Node) -> None:
        """Write the state into a `vtkMRMLScriptedModuleNode`. The session does this by itself, for the
        node of `parameter_node()`, at the end of a `tick` when the state or what the node holds has
        changed. MRML does not tell that a scene is going to be saved."""
        self._kept = parameter_node, save_state(self._desk.state, parameter_node)
        self._desk.changed = False

    def load_from(self, parameter_node: Node) -> None:
        """Take the state over from a `vtkMRMLScriptedModuleNode`, as the session does by itself when it
        begins. A running job is cancelled where the state is another one.

        Raises:
            SettingsError: it cannot be read; the state stays as it is.
        """
        state = self._loaded(parameter_node)
        if state != self._desk.state:
            self._replace(state)
            self.maps.refresh()

    def parameter_node(self) -> Node:
        """The module's parameter node of the scene, made when there is none."""
        return parameter_node(self._desk.scene)

    def close(self) -> None:
        """End the worker, remove observers and temporary folders; again does nothing."""
        for observer in self._observers:
            self._desk.scene.RemoveObserver(observer)
        self._observers = []
        self._watch.close()
        self.jobs.disconnect()

    def _observe(self) -> list[int]:
        scene = self._desk.scene
        observed = (
            (scene.StartCloseEvent, self._on_start_close),
            (scene.EndCloseEvent, self._on_end_close),
            (scene.StartImportEvent, self._on_start_import),
            (scene.EndImportEvent, self._on_end_import),
            (scene.NodeAddedEvent, self._on_nodes),
            (scene.NodeRemovedEvent, self._on_removed),
        )
        return [scene.AddObserver(event, callback) for event, callback in observed]

    def _on_start_close(self, *_: object) -> None:
        self.jobs.abandon()

    def _on_end_close(self, *_: object) -> None:
        self.problem = ""
        self._replace(SessionState())
        # A singleton node outlives its scene: the next one must not find the old choices in it.
        node = find_parameter_node(self._desk.scene)
        if node is not None:
            self.save_to(node)

    def _on_start_import(self, *_: object) -> None:
        self._keep()
        claim(self.parameter_node())

    def _on_end_import(self, *_: object) -> None:
        """A scene was opened, or added to this one; a running job goes on."""
        node = self.parameter_node()
        if not end_claim(node):
            self._read(node, self._join)

    def _join(self, node: Node) -> None:
        state = joined(self._desk.state, self._loaded(node))
        if state != self._desk.state:
            self._desk.update(state, "state")
            self.maps.refresh()

    def _read(self, node: Node, take: Callable[[Node], None]) -> None:
        self.problem = ""
        try:
            take(node)
        except SettingsError as error:
            self.problem = str(error)
            if self._desk.state == SessionState():
                # What a newer version wrote stays as it is until something is chosen here.
                self._kept, self._desk.changed = None, False
            self._desk.tell("state")

    def _loaded(self, node: Node) -> SessionState:
        """The state of a parameter node, perhaps from another computer or version."""
        state = load_state(node)
        adapt, strange = understood(state.adapt)
        if strange:
            text = _("Settings of the scene that this version does not know were left out: {names}.")
            self.problem = text.format(names=", ".join(strange))
        suggested = replace(state.suggested, model=here(state.suggested.model))
        adapted = settled(state.adapted)
        return replace(state, model=here(state.model), adapt=adapt, adapted=adapted, suggested=suggested)

    def _keep(self) -> None:
        """Write the state where it is another one than the parameter node holds.

        Not only after a change of ours: a scene view that is restored puts earlier choices there, or takes
        the node away, and a scene that is added puts its own. Ours stay, and must be what is saved."""
        if self._desk.changed or not self._is_kept():
            self.save_to(self.parameter_node())

    def _is_kept(self) -> bool:
        if self._kept is None:
            return True
        node, text = self._kept
        return node.GetScene() is not None and node.GetParameter(PARAMETER) == text

    def _on_nodes(self, *_: object) -> None:
        self._nodes_changed = True

    def _on_removed(self, *_: object) -> None:
        if self._desk.scene.IsClosing():
            return  # the whole state goes at the end of it
        self._desk.forget_removed()  # at once: the next node may get the ID
        self._nodes_changed = True

    def _replace(self, state: SessionState) -> None:
        self.jobs.abandon()
        self._desk.update(state, "state")

    def _model_name(self) -> str:
        chosen = self.models.chosen
        return chosen.name if chosen is not None else ""
