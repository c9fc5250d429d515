"""Draw the picture of the module's window: the real session on simulated scans, with Qt stand-ins for CTK.

Run from anywhere: `QT_QPA_PLATFORM=offscreen python tools/draw_window.py`. It needs PySide6 and slicer-core
(the extras `test` and `standalone`), and a minute: the worker computes the maps that are shown.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "Docs" / "images" / "window.png"
COLUMNS = (("sourceModelSection", "targetCasesSection"), ("riskMapSection",))
"""The sections that are open, column by column."""
WIDTH, HEIGHT, GAP = 470, 900, 14
CHECKOUT = "/home/me/SlicerTransferRisk"
"""Shown in place of where this checkout lies."""
MODEL = "tissue-t1w"

sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "support")]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def take_slicers_place(scene: Any) -> dict[str, ModuleType]:
    """Give the panels what they import: Qt in PythonQt's manner, and what `slicer` has on a desktop."""
    import qt_standins
    import slicer

    modules = qt_standins.load()
    i18n: Any = ModuleType("slicer.i18n")
    i18n.tr = lambda text: text
    sys.modules.update({**modules, "slicer.i18n": i18n})
    slicer.mrmlScene, slicer.qMRMLNodeComboBox = scene, node_selector(modules["qt"], scene)
    from TransferRiskLib.panels import widgets

    widgets.on = qt_standins.connect  # before the panels take it over
    return modules


def node_selector(qt: Any, scene: Any) -> type:
    """`qMRMLNodeComboBox` as far as the window uses it."""
    from PySide6 import QtCore

    class Selector(qt.QComboBox):
        nodeActivated = QtCore.Signal(object)  # noqa: N815

        def setMRMLScene(self, given: Any) -> None:  # noqa: N802
            nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
            found = [node for node in nodes if node.GetClassName() in self.nodeTypes]
            self._ids = ["", *(node.GetID() for node in found)]
            self.addItems([self.noneDisplay, *(node.GetName() for node in found)])

        def setCurrentNodeID(self, identity: str) -> None:  # noqa: N802
            self.setCurrentIndex(self._ids.index(identity) if identity in self._ids else 0)

    return Selector


def working_session(scene: Any, folder: Path) -> Any:
    """A session with a model, three labelled cases and their risk maps."""
    from TransferRiskLib.cases.simulate import TARGET_SITE, simulate_cohort
    from TransferRiskLib.demo_models import demo_models
    from TransferRiskLib.jobs.client import WorkerClient
    from TransferRiskLib.jobs.interpreters import Interpreter
    from TransferRiskLib.session.desk import MemorySettings
    from TransferRiskLib.session.session import Session

    settings = MemorySettings({"OutputFolder": str(folder / "models")})
    worker = WorkerClient(Interpreter(Path(sys.executable), "current"))
    session = Session(scene, lambda interpreter: worker, settings, temporary=folder)
    session.models.choose(demo_models()[MODEL])
    simulate_cohort(folder / "cases", 3, 7101, ("T1",), TARGET_SITE)
    for begin in (lambda: session.cases.add_folder(folder / "cases"), session.maps.compute):
        begin()
        while session.jobs.busy:
            session.tick()
            time.sleep(0.02)
        if session.jobs.outcome.kind != "done":
            raise SystemExit(session.jobs.outcome.message)
    return session


def photograph(qt: Any, session: Any, path: Path) -> None:
    """Show the window once a column and write the columns side by side."""
    import qt_standins

    from TransferRiskLib.panels.window import Window

    widget = qt_standins.load_ui(ROOT / "TransferRisk" / "Resources" / "UI" / "TransferRisk.ui")
    ui = qt_standins.child_variables(widget)

    def node_name(identity: str | None) -> str:
        node = session._desk.node(identity)
        return node.GetName() if node is not None else ""

    window = Window(ui, session, SimpleNamespace(node_name=node_name, close=lambda: None))  # type: ignore[arg-type]
    ui.cardLabel.setText(ui.cardLabel.text.replace(str(ROOT), CHECKOUT))
    if str(ROOT) in ui.cardLabel.text or "/tmp" in ui.cardLabel.text:
        raise SystemExit("the picture would show a place of this computer")
    image = qt.QImage(len(COLUMNS) * (WIDTH + GAP) - GAP, HEIGHT, qt.QImage.Format_RGB32)
    image.fill(qt.Qt.white)
    painter = qt.QPainter(image)
    widget.resize(WIDTH, HEIGHT)
    widget.show()
    for number, open_sections in enumerate(COLUMNS):
        for section in ("sourceModel", "targetCases", "riskMap", "adapt", "segment", "environment"):
            getattr(ui, f"{section}Section").collapsed = f"{section}Section" not in open_sections
        ui.messageLine.setVisible(number > 0)
        for _ in range(5):  # sizes settle from the inside out
            qt.application.processEvents()
            for panel in window.panels:
                panel.settle()
        painter.drawPixmap(number * (WIDTH + GAP), 0, widget.grab())
    painter.end()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(str(path))
    window.close()


def main() -> int:
    """Write the picture."""
    from TransferRiskLib.mrml.standalone import headless_slicer

    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    with tempfile.TemporaryDirectory() as name, headless_slicer() as slicer:
        modules = take_slicers_place(slicer.scene)
        session = working_session(slicer.scene, Path(name))
        photograph(modules["qt"], session, path)
        session.close()
    print(path.name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
