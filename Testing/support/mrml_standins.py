"""The parts of the `slicer` module that the panels use, without MRML."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

from PySide6 import QtCore, QtWidgets
from qt_standins import Sealed


class Scene:
    """Nodes by ID; the names are all that selectors show."""

    def __init__(self) -> None:
        self.names = {"v1": "T1 of Anna", "v2": "T1 of Ben", "s1": "Anna's labels", "r1": "ROI"}

    def GetNodeByID(self, identity: str) -> None:  # noqa: N802
        return None


class NodeComboBox(Sealed, QtWidgets.QComboBox):
    """`qMRMLNodeComboBox`: offers all nodes of the scene, whatever their class.

    As the real one it says `currentNodeIDChanged` for whatever reason it shows another node, and
    `nodeActivated` when the user picks one or a program sets one.
    """

    currentNodeIDChanged = QtCore.Signal(str)  # noqa: N815
    nodeActivated = QtCore.Signal(object)  # noqa: N815
    nodeTypes: tuple[str, ...] = ()  # noqa: N815
    noneDisplay = "None"  # noqa: N815
    noneEnabled = editEnabled = False  # noqa: N815
    addEnabled = removeEnabled = renameEnabled = showChildNodeTypes = True  # noqa: N815

    def setMRMLScene(self, scene: Scene) -> None:  # noqa: N802
        self._ids = ["", *scene.names]
        self.addItems([self.noneDisplay, *scene.names.values()])
        self.currentIndexChanged.connect(lambda n: self.currentNodeIDChanged.emit(self._ids[n]))

    def setCurrentNodeID(self, identity: str) -> None:  # noqa: N802
        self.setCurrentIndex(self._ids.index(identity) if identity in self._ids else 0)
        node = SimpleNamespace(GetID=lambda: identity) if identity in self._ids[1:] else None
        self.nodeActivated.emit(node)

    def lose_node(self) -> None:
        """What happens when the scene that holds the shown node is closed."""
        self.setCurrentIndex(0)

    @property
    def currentNodeID(self) -> str:  # noqa: N802
        return self._ids[self.currentIndex]


def slicer_module() -> Any:
    """A new `slicer` with a scene, i18n that translates nothing, and the node selector."""
    slicer: Any = ModuleType("slicer")
    slicer.mrmlScene = Scene()
    slicer.qMRMLNodeComboBox = NodeComboBox
    slicer.i18n = ModuleType("slicer.i18n")
    slicer.i18n.tr = lambda text: text
    return slicer
