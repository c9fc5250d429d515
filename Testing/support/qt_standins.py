"""Slicer's `qt`, `ctk` and qMRML widgets for tests, on PySide6.

Slicer's panels run on PythonQt: properties are read without parentheses (`label.text`) and signals
are connected by their C++ signature (`button.connect("clicked(bool)", f)`). `load` gives PySide6
that manner, for this process (`connect` stands beside the classes, since PySide6 keeps that name to
itself), and adds the few widgets of CTK and MRML that the window uses.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

_loaded: dict[str, ModuleType] = {}

ASKED_BY_QT = ("sizeHint", "minimumSizeHint")
"""Properties that are virtual methods too: Qt would take ours for a method of a class made in Python."""


def load() -> dict[str, ModuleType]:
    """The modules `qt` and `ctk`; the same ones in every call."""
    if not _loaded:
        application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
        application.setStyle("Fusion")  # the style of Slicer's own window
        for module in (QtCore, QtGui, QtWidgets):
            for name in dir(module):
                _in_pythonqt_manner(getattr(module, name))
        qt, ctk = ModuleType("qt"), ModuleType("ctk")
        for module in (QtCore, QtGui, QtWidgets):
            vars(qt).update({name: getattr(module, name) for name in dir(module) if name[0] in "Qq"})
        for widget in CTK:
            setattr(ctk, f"ctk{widget.__name__}", widget)
        vars(qt)["application"] = application
        _loaded.update(qt=qt, ctk=ctk)
    return _loaded


def load_ui(path: Path) -> Any:
    """What `slicer.util.loadUI` gives."""
    loaded = _Loader().load(str(path))
    assert loaded is not None
    return loaded


class _Loader(QtUiTools.QUiLoader):
    """Builds the stand-ins where a description names CTK's and MRML's widgets."""

    def createWidget(self, name: str, parent: Any = None, own: str = "") -> Any:  # noqa: N802
        kind = {f"ctk{kind.__name__}": kind for kind in CTK} | {"qMRMLWidget": MRMLWidget}
        if name not in kind:
            return super().createWidget(name, parent, own)
        widget = kind[name](parent)
        widget.setObjectName(own)
        return widget


def child_variables(widget: Any) -> Any:
    """What `slicer.util.childWidgetVariables` gives."""
    named = {child.objectName: child for child in widget.findChildren(QtWidgets.QWidget) if child.objectName}
    return type("Ui", (), named)()


def connect(sender: Any, signature: str, receiver: Callable[..., Any]) -> None:
    """Connect a signal, named by its C++ signature, to a function that takes the signal's arguments."""
    meta = sender.metaObject()
    index = meta.indexOfSignal(signature.replace("vtkMRMLNode*", "PyObject"))
    assert index >= 0, f"{type(sender).__name__} has no signal {signature}"
    arguments = meta.method(index).parameterCount()
    # PySide6 hands over as many values as the function has parameters, hence one with exactly as many.
    passing = (lambda: receiver(), lambda a: receiver(a), lambda a, b: receiver(a, b))
    takes_three = lambda a, b, c: receiver(a, b, c)  # noqa: E731
    getattr(sender, signature.split("(")[0]).connect((*passing, takes_three)[arguments])


def _in_pythonqt_manner(kind: Any) -> None:
    """Give a class its properties under their C++ names. They take no value of another type."""
    meta = getattr(kind, "staticMetaObject", None)
    if not isinstance(kind, type) or meta is None or not issubclass(kind, QtCore.QObject):
        return
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        name = meta.property(index).name()
        if name in ASKED_BY_QT:
            continue
        setattr(
            kind, name, property(lambda self, n=name: self.property(n), partial(_set_property, name=name))
        )


def _set_property(self: Any, value: Any, name: str) -> None:
    if not self.setProperty(name, value):
        raise AttributeError(f"{type(self).__name__}.{name} does not accept {value!r}")


class Sealed:
    """Mixin of the stand-ins: as objects of C++ they take no attribute that their class has not."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name}, and takes no new one")
        super().__setattr__(name, value)


class CollapsibleGroupBox(Sealed, QtWidgets.QGroupBox):
    """Hides what it holds while it is collapsed. Python knows the property only: CTK has no such slot."""

    contentsCollapsed = QtCore.Signal(bool)  # noqa: N815

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._collapsed = False

    def _get(self) -> bool:
        return self._collapsed

    def _set(self, collapsed: bool) -> None:
        self._collapsed = collapsed
        self._apply()
        self.contentsCollapsed.emit(collapsed)

    def _apply(self) -> None:
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                child.setVisible(not self._collapsed)

    def showEvent(self, event: Any) -> None:  # noqa: N802
        super().showEvent(event)
        if self._collapsed:
            self._apply()

    collapsed = QtCore.Property(bool, _get, _set)


class CollapsibleButton(CollapsibleGroupBox):
    """A section with a heading. As CTK's it never gets narrower than it would like to be, unless told."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)

    def _get_text(self) -> str:
        return self.title

    def _set_text(self, text: str) -> None:
        self.setTitle(text)

    def setText(self, text: str) -> None:  # noqa: N802
        self.setTitle(text)

    text = QtCore.Property(str, _get_text, _set_text)
    contentsFrameShape = QtCore.Property(int, lambda self: 0, lambda self, value: None)  # noqa: N815


class SliderWidget(Sealed, QtWidgets.QWidget):
    """A slider and a spin box for one floating-point number. As CTK's, a click beside the handle moves it by
    10, unless told."""

    valueChanged = QtCore.Signal(float)  # noqa: N815

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._box = QtWidgets.QDoubleSpinBox()
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal)
        self._slider.setRange(0, 1000)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider)
        row.addWidget(self._box)
        self._slider.valueChanged.connect(lambda place: self._box.setValue(self._at(place)))
        self._box.valueChanged.connect(self._changed)
        self._page = 10.0

    def _at(self, place: int) -> float:
        low, high = self._box.minimum, self._box.maximum
        return low + (high - low) * place / 1000

    def _changed(self, value: float) -> None:
        low, high = self._box.minimum, self._box.maximum
        self._slider.blockSignals(True)
        self._slider.setPageStep(round(1000 * self._page / ((high - low) or 1)))
        self._slider.setValue(round(1000 * (value - low) / ((high - low) or 1)))
        self._slider.blockSignals(False)
        self.valueChanged.emit(value)

    def setValue(self, value: float) -> None:  # noqa: N802
        self._box.setValue(value)

    value = QtCore.Property(float, lambda self: self._box.value, lambda self, v: self._box.setValue(v))
    minimum = QtCore.Property(float, lambda self: self._box.minimum, lambda self, v: self._box.setMinimum(v))
    maximum = QtCore.Property(float, lambda self: self._box.maximum, lambda self, v: self._box.setMaximum(v))
    singleStep = QtCore.Property(  # noqa: N815
        float, lambda self: self._box.singleStep, lambda self, v: self._box.setSingleStep(v)
    )

    def _set_page(self, step: float) -> None:
        self._page = step

    pageStep = QtCore.Property(float, lambda self: self._page, _set_page)  # noqa: N815
    decimals = QtCore.Property(int, lambda self: self._box.decimals, lambda self, v: self._box.setDecimals(v))
    suffix = QtCore.Property(str, lambda self: self._box.suffix, lambda self, v: self._box.setSuffix(v))


class RangeWidget(Sealed, QtWidgets.QWidget):
    """Two numbers, the lower and the upper end of a range."""

    valuesChanged = QtCore.Signal(float, float)  # noqa: N815

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._low, self._high = QtWidgets.QDoubleSpinBox(), QtWidgets.QDoubleSpinBox()
        for box in (self._low, self._high):
            row.addWidget(box)
            box.valueChanged.connect(lambda _: self.valuesChanged.emit(self._low.value, self._high.value))

    def setRange(self, low: float, high: float) -> None:  # noqa: N802
        for box in (self._low, self._high):
            box.setRange(low, high)

    def setValues(self, low: float, high: float) -> None:  # noqa: N802
        self._low.setValue(low)
        self._high.setValue(high)

    minimumValue = QtCore.Property(float, lambda self: self._low.value)  # noqa: N815
    maximumValue = QtCore.Property(float, lambda self: self._high.value)  # noqa: N815
    singleStep = QtCore.Property(float, lambda self: 0.0, lambda self, v: None)  # noqa: N815
    decimals = QtCore.Property(int, lambda self: 2, lambda self, v: None)


class PathLineEdit(Sealed, QtWidgets.QWidget):
    """A line for a path with a button to look for it. As for CTK's, an empty text is no valid path, so that
    nobody is told of one by `currentPathChanged`."""

    Dirs, Files = 1, 2

    currentPathChanged = QtCore.Signal(str)  # noqa: N815
    validInputChanged = QtCore.Signal(bool)  # noqa: N815

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._line, self._valid = QtWidgets.QLineEdit(), False
        self._line.setValidator(QtGui.QRegularExpressionValidator(QtCore.QRegularExpression(".+"), self))
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._line)
        button = QtWidgets.QToolButton()
        button.setText("…")
        row.addWidget(button)
        self._line.textChanged.connect(self._changed)

    def _changed(self, text: str) -> None:
        before, self._valid = self._valid, bool(text)
        if text:
            self.currentPathChanged.emit(text)
        if before != self._valid:
            self.validInputChanged.emit(self._valid)

    def setCurrentPath(self, path: str) -> None:  # noqa: N802
        self._line.setText(path)

    currentPath = QtCore.Property(  # noqa: N815
        str, lambda self: self._line.text, lambda self, v: self._line.setText(v)
    )
    filters = QtCore.Property(int, lambda self: 0, lambda self, v: None)
    showHistoryButton = QtCore.Property(bool, lambda self: False, lambda self, v: None)  # noqa: N815


class MRMLWidget(QtWidgets.QWidget):
    """The top widget of a window description."""

    def setMRMLScene(self, scene: Any) -> None:  # noqa: N802
        self.scene = scene


CTK = (CollapsibleButton, CollapsibleGroupBox, SliderWidget, RangeWidget, PathLineEdit)
