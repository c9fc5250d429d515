"""What the panels ask of Slicer's application: other modules, layouts, dialogs, settings, packages."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.jobs.client import WorkerClient, client_for
from TransferRiskLib.jobs.interpreters import VARIABLE
from TransferRiskLib.session.installing import TORCH, TORCH_FLOOR, Torch

MODULE = "TransferRisk"


def connect_worker(interpreter: str) -> WorkerClient:
    """A worker in Slicer's own Python, or in another one.

    Args:
        interpreter: Path that the user set; empty for none.
    """
    own = not interpreter and not os.environ.get(VARIABLE)
    # Another Python must not inherit the paths of Slicer's libraries.
    environment = None if own else slicer.util.startupEnvironment()
    return client_for(interpreter, Path(slicer.app.slicerHome), environment)


class QtSettings:
    """The session's settings, kept in Slicer's own settings file under the module's name."""

    def get(self, key: str, default: str = "") -> str:
        """The value of a key."""
        value = qt.QSettings().value(f"{MODULE}/{key}")
        return default if value is None else str(value)

    def set(self, key: str, value: str) -> None:
        """Keep a value."""
        qt.QSettings().setValue(f"{MODULE}/{key}", value)


class Application:
    """Slicer's application around the window.

    Args:
        requirements: The file that names the Python packages of the extension.
    """

    def __init__(self, requirements: Path) -> None:
        self._requirements = requirements
        self._way_back: Any = None

    def node_name(self, identity: str | None) -> str:
        """The name of a node, empty when it is gone."""
        node = slicer.mrmlScene.GetNodeByID(identity) if identity else None
        return node.GetName() if node else ""

    def open_segment_editor(self, segmentation: Any, volume: Any) -> None:
        """Switch to Segment Editor on a segmentation and its volume, with a button that leads back.

        Raises:
            SettingsError: Slicer runs without a main window.
        """
        if slicer.util.mainWindow() is None:
            raise SettingsError(_("Segment Editor needs Slicer's main window."))
        slicer.util.selectModule("SegmentEditor")
        widget = slicer.util.getModuleWidget("SegmentEditor")
        widget.editor.setSegmentationNode(segmentation)
        widget.editor.setSourceVolumeNode(volume)
        self._show_way_back(widget)

    def close_segment_editor(self) -> None:
        """Take the button that leads back out of Segment Editor."""
        if self._way_back is not None:
            self._way_back.hide()

    def show_chart(self, chart: Any) -> None:
        """Bring a plot chart into view, in a layout that has a place for it."""
        if chart is not None and slicer.app.layoutManager() is not None:
            slicer.modules.plots.logic().ShowChartInLayout(chart)

    def centre_in_3d(self) -> None:
        """Have the 3-D views look at the middle of what they show."""
        layouts = slicer.app.layoutManager()
        for number in range(layouts.threeDViewCount if layouts is not None else 0):
            layouts.threeDWidget(number).threeDView().resetFocalPoint()

    def ask_folder(self, title: str) -> Path | None:
        """Let the user choose a folder; None when that was given up."""
        chosen = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, "")
        return Path(chosen) if chosen else None

    def ask_file(self, title: str, filters: str) -> Path | None:
        """Let the user choose a file; None when that was given up."""
        chosen = qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, "", filters)
        # PythonQt gives the path alone, other bindings the chosen filter as well.
        path = chosen[0] if isinstance(chosen, tuple) else chosen
        return Path(path) if path else None

    def open_folder(self, folder: Path) -> None:
        """Show a folder in the computer's file manager."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(folder)))

    def copy_text(self, text: str) -> None:
        """Put a text on the clipboard."""
        slicer.app.clipboard().setText(text)

    def has_package(self, name: str) -> bool:
        """Whether Slicer's own Python has a package; it is not imported."""
        return find_spec(name) is not None

    def install(self, arguments: list[str], wheels: Path | None, torch: Torch) -> None:
        """Install what the computations need into Slicer's Python. Shows its progress itself.

        Args:
            arguments: For `pip install`, where Slicer has no `slicer.packaging` or wheels are given.
            wheels: Folder of wheels for a computer without network.
            torch: What to do about PyTorch (`Environment.torch_step`).

        Raises:
            SettingsError: the PyTorch extension is missing, or an installation failed.
        """
        try:
            # The extension is looked for before anything is removed.
            extension = self._pytorch() if torch != "keep" and wheels is None else None
            if torch == "replace":
                # Nothing goes before its successor is known to be had, from the folder or the network.
                wanted = arguments if wheels is not None else ["--no-deps", TORCH]
                slicer.util.pip_install(["--dry-run", "--ignore-installed", *wanted])
                slicer.util.pip_uninstall("torch torchvision")
            if extension is not None:
                made = extension.installTorch(askConfirmation=False, torchVersionRequirement=TORCH_FLOOR)
                if made is None:
                    raise SettingsError(
                        _("PyTorch was not installed."),
                        hint=_("Slicer's Python console and error log say why; then try again."),
                    )
            if wheels is not None or not self._ensure():
                slicer.util.pip_install(arguments)
        except SettingsError:
            raise
        except Exception as error:  # pip and light-the-torch raise what they like
            raise SettingsError(
                _("The installation failed: {reason}").format(reason=error),
                hint=_("Slicer's Python console and error log say more."),
            ) from error

    def _ensure(self) -> bool:
        """Install through `slicer.packaging`; False in a Slicer that lacks it (before 5.11)."""
        try:
            from slicer.packaging import load_requirements, pip_ensure
        except ImportError:
            return False
        # The window has already asked.
        pip_ensure(load_requirements(self._requirements), prompt_install=False, requester=MODULE)
        return True

    def _pytorch(self) -> Any:
        try:
            import PyTorchUtils
        except ImportError as error:
            raise SettingsError(
                _("The PyTorch extension is not installed."),
                hint=_("Install it with the Extensions Manager and restart Slicer."),
            ) from error
        return PyTorchUtils.PyTorchUtilsLogic()

    def _show_way_back(self, widget: Any) -> None:
        if self._way_back is None:
            self._way_back = qt.QPushButton(_("Back to TransferRisk"))
            self._way_back.setToolTip(_("What was drawn is taken over as it is."))
            self._way_back.connect("clicked()", self._go_back)
            widget.layout.insertWidget(0, self._way_back)
        self._way_back.show()

    def _go_back(self) -> None:
        self._way_back.hide()
        slicer.util.selectModule(MODULE)

    def close(self) -> None:
        """Remove what was put into other modules."""
        if self._way_back is not None:
            self._way_back.setParent(None)
            self._way_back.deleteLater()
            self._way_back = None
