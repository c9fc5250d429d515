"""TransferRisk in 3D Slicer: this file is the door, everything else is in `TransferRiskLib`."""

import logging
import os
import sys

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


def findLibrary():
    """Make `TransferRiskLib` importable. Installed, it lies beside this file; run from source, one
    folder further up."""
    try:
        import TransferRiskLib  # noqa: F401
    except ModuleNotFoundError:
        sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def forgetLibrary():
    """Have the library imported anew: Slicer's "Reload" knows of this file only."""
    for name in [name for name in sys.modules if name.split(".")[0] == "TransferRiskLib"]:
        del sys.modules[name]


def registerSampleData():
    """Offer the simulated scans in the Sample Data module."""
    findLibrary()
    from TransferRiskLib.panels.sample_data import register

    icons = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Resources", "Icons")
    register(os.path.join(icons, "TransferRisk.png"))


class TransferRisk(ScriptedLoadableModule):
    """What Slicer's module list shows."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Transfer Risk")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["SegmentEditor", "VolumeRendering", "Plots"]
        self.parent.contributors = ["TransferRisk contributors"]
        self.parent.helpText = _(
            "Shows voxel by voxel where a trained segmentation model will not transfer to your scans, "
            "adapts it from a few labelled cases, and segments the rest. Research software, not for "
            "clinical decisions. Try it with the simulated scans in the Sample Data module."
        )
        self.parent.acknowledgementText = _(
            "The transfer risk map was published by S. Duan, J. Yang, Y. Tan, G. Zhang, Y. Li and "
            "X.-P. Zhang: “Transfer Risk Map: Mitigating Pixel-level Negative Transfer in Medical "
            "Segmentation”, ICASSP 2025."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


class TransferRiskWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Puts the window together and tells it of scene and module switches."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.window = None
        self.widget = None

    def setup(self):
        """Called when the user opens the module for the first time, and after a reload."""
        ScriptedLoadableModuleWidget.setup(self)
        findLibrary()
        from pathlib import Path

        from TransferRiskLib.panels.application import Application
        from TransferRiskLib.panels.window import Window

        self.widget = slicer.util.loadUI(self.resourcePath("UI/TransferRisk.ui"))
        self.layout.addWidget(self.widget)
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.widget.setMRMLScene(slicer.mrmlScene)

        self.logic = TransferRiskLogic()
        requirements = Path(self.resourcePath("requirements.txt"))
        self.window = Window(self.ui, self.logic.session, Application(requirements))

        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)

    def cleanup(self):
        """Called when the application closes and before a reload."""
        self.removeObservers()
        if self.window is not None:
            self.window.close()
            self.window = None
        if self.logic is not None:
            self.logic.close()
            self.logic = None
        if self.widget is not None:
            # A reload only hides it; with its widgets goes what their signals hold on to.
            self.widget.deleteLater()
            self.widget = self.ui = None

    def onReload(self):
        """Reload the library too, not only this file."""
        forgetLibrary()
        ScriptedLoadableModuleWidget.onReload(self)

    def enter(self):
        """Called each time the user opens this module."""
        if self.window is not None:
            self.window.enter()

    def exit(self):
        """Called each time the user opens a different module: a running job goes on."""
        if self.window is not None:
            self.window.leave()

    def onSceneStartClose(self, caller, event):
        """The session lets go of its nodes by itself; selectors must not take that for choices."""

    def onSceneEndClose(self, caller, event):
        """Show the empty scene."""
        if self.window is not None:
            self.window.scene_changed()


class TransferRiskLogic(ScriptedLoadableModuleLogic):
    """Everything that works without the window: the session on Slicer's scene, which starts the
    worker in Slicer's own Python."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        findLibrary()
        from TransferRiskLib.panels.application import QtSettings, connect_worker
        from TransferRiskLib.session.session import Session
        from TransferRiskLib.wording import use_translation

        use_translation(translate)  # before the first sentence is made
        self.session = Session(slicer.mrmlScene, connect_worker, QtSettings())

    def close(self):
        """End the worker and remove temporary folders."""
        self.session.close()


class TransferRiskTest(ScriptedLoadableModuleTest):
    """The whole flow inside Slicer with the demonstration cohort, also without a main window."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self, **kwargs):
        """Run all tests."""
        self.setUp()
        self.test_SampleData()
        self.setUp()
        self.test_Window()
        self.setUp()
        self.test_WholeFlow()  # last, for it is skipped where the computations are not installed

    def test_WholeFlow(self):
        """Pick a model, add three cases, map, adapt, cancel, resume, segment, save, open, go on."""
        widget = slicer.util.getModuleWidget("TransferRisk")
        from TransferRiskLib.session.walkthrough import Walkthrough, missing_packages

        missing = missing_packages(widget.logic.session)
        if missing:
            self.skipTest(
                f"Slicer's Python lacks {', '.join(missing)}: open the module Transfer Risk, section "
                "Environment, Install / repair; or name another Python in the variable TRANSFERRISK_PYTHON."
            )

        def save(path):
            self.assertTrue(slicer.util.saveScene(str(path)))

        def load(path):
            slicer.mrmlScene.Clear()
            slicer.util.loadScene(str(path))  # raises when that fails

        # The session of the window, so that the window follows all of it.
        session, breathe = widget.logic.session, slicer.app.processEvents
        Walkthrough(session, slicer.mrmlScene, save, load, breathe).run(logging.info)
        widget.window.tick()
        self.assertEqual(widget.ui.caseTable.rowCount, len(session.cases.rows))

    def test_SampleData(self):
        """The simulated scans load without a network, as from a script so from the module's button."""
        registerSampleData()
        import SampleData

        sources = SampleData.SampleDataLogic.sampleDataSourcesByCategory("TransferRisk")
        self.assertGreaterEqual(len(sources), 3)
        volume, segmentation = SampleData.downloadSamples(sources[0].sampleName)
        self.assertTrue(volume.IsA("vtkMRMLScalarVolumeNode"))
        self.assertGreater(volume.GetImageData().GetScalarRange()[1], 0)
        self.assertTrue(segmentation.IsA("vtkMRMLSegmentationNode"))
        self.assertNotEqual(segmentation.GetSegmentation().GetSegmentIdBySegmentName("GM"), "")
        self.assertEqual(segmentation.GetName(), f"{volume.GetName()}_label")
        again = SampleData.downloadSample(sources[0].sampleName)
        self.assertTrue(again.IsA("vtkMRMLScalarVolumeNode"))

    def test_Window(self):
        """The window comes up, follows its session and survives closing the scene and a reload."""
        widget = slicer.util.getModuleWidget("TransferRisk")
        entries = widget.logic.session.models.entries
        self.assertGreater(len(entries), 0)
        widget.logic.session.models.choose(entries[0].path)
        widget.window.tick()
        self.assertIn(entries[0].name, widget.ui.modelCombo.currentText)
        self.assertFalse(widget.ui.computeMapButton.enabled)
        self.assertNotEqual(widget.ui.computeMapButton.toolTip, "")
        slicer.mrmlScene.Clear()
        widget.window.tick()
        widget.onReload()
        reloaded = slicer.util.getModuleWidget("TransferRisk")
        self.assertIsNot(reloaded.window, None)
        self.assertTrue(reloaded.ui.modelCombo.count > len(entries) - 1)
