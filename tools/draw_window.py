"""Draw the pictures of the module's window: the real session on simulated scans, with Qt stand-ins for CTK.

Run from anywhere: `QT_QPA_PLATFORM=offscreen python tools/draw_window.py [FOLDER]`. It needs PySide6 and
slicer-core (the extras `test` and `standalone`), and some minutes: the worker computes the maps that are
shown, adapts the model and segments a scan.
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
PICTURES = ROOT / "Docs" / "images"
COLUMNS = {
    "window.png": (("sourceModel", "targetCases"), ("riskMap",)),
    "window-adapt.png": (("adapt",), ("segment",)),
}
"""Picture to the sections that are open in it, column by column."""
SECTIONS = ("sourceModel", "targetCases", "riskMap", "adapt", "segment", "environment")
WIDTH, HEIGHT, GAP = 470, 900, 14
CHECKOUT, MODELS = "/home/me/SlicerTransferRisk", "/home/me/TransferRisk"
"""Shown in place of where this checkout and the adapted models lie."""
MODEL = "tissue-t1w"
ADAPTATION = {"steps": 60, "folds": 3, "validate_every": 30}
"""What makes `recommended` short enough."""

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
    do(session, lambda: session.cases.add_folder(folder / "cases"))
    do(session, session.maps.compute)
    return session


def adapt_and_segment(session: Any, folder: Path) -> None:
    """Go on with a short adaptation and a new scan."""
    from TransferRiskLib.cases.simulate import TARGET_SITE, simulate_cohort

    session.adapting.set_preset("recommended")
    for field, value in ADAPTATION.items():
        session.adapting.set_option(field, value)
    do(session, session.adapting.start)
    simulate_cohort(folder / "new", 2, 7201, ("T1",), TARGET_SITE)
    do(session, lambda: session.segmenting.add_folder(folder / "new"))
    session.segmenting.set_options(uncertainty=True)
    do(session, session.segmenting.segment)


def do(session: Any, begin: Any) -> None:
    """Start a job and tick until it has ended."""
    begin()
    while session.jobs.busy:
        session.tick()
        time.sleep(0.02)
    if session.jobs.outcome.kind != "done":
        raise SystemExit(session.jobs.outcome.message)


def photograph(qt: Any, session: Any, path: Path) -> None:
    """Show the window once a column and write the columns side by side."""
    import qt_standins

    from TransferRiskLib.panels.window import Window

    widget = qt_standins.load_ui(ROOT / "TransferRisk" / "Resources" / "UI" / "TransferRisk.ui")
    ui = qt_standins.child_variables(widget)

    def node_name(identity: str | None) -> str:
        node = session._desk.node(identity)
        return node.GetName() if node is not None else ""

    window = Window(ui, session, SimpleNamespace(node_name=node_name, close=lambda: None, has_package=bool))  # type: ignore[arg-type]
    columns, models = COLUMNS[path.name], str(session.adapting.output_folder)
    ui.outputFolderEdit.setCurrentPath(MODELS)
    for label in (ui.cardLabel, ui.bundleLabel):
        label.setText(label.text.replace(str(ROOT), CHECKOUT).replace(models, MODELS))
        if str(ROOT) in label.text or tempfile.gettempdir() in label.text:
            raise SystemExit("the picture would show a place of this computer")
    image = qt.QImage(len(columns) * (WIDTH + GAP) - GAP, HEIGHT, qt.QImage.Format_RGB32)
    image.fill(qt.Qt.white)
    painter = qt.QPainter(image)
    widget.resize(WIDTH, HEIGHT)
    widget.show()
    for number, open_sections in enumerate(columns):
        for section in SECTIONS:
            getattr(ui, f"{section}Section").collapsed = section not in open_sections
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
    """Write the pictures."""
    from TransferRiskLib.mrml.standalone import headless_slicer

    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    with tempfile.TemporaryDirectory() as name, headless_slicer() as slicer:
        modules = take_slicers_place(slicer.scene)
        session = working_session(slicer.scene, Path(name))
        first, second = COLUMNS
        photograph(modules["qt"], session, folder / first)
        adapt_and_segment(session, Path(name))
        photograph(modules["qt"], session, folder / second)
        session.close()
    print(*COLUMNS)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
