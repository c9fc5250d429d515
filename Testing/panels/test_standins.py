"""The stand-ins refuse what PythonQt refuses: a slip in a panel fails a test, and not only in Slicer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest


def test_an_object_of_cpp_takes_no_new_attribute(desk: SimpleNamespace) -> None:
    import slicer

    for widget in (desk.ui.opacitySlider, desk.ui.adaptSection, slicer.qMRMLNodeComboBox()):
        with pytest.raises(AttributeError, match="minimun"):
            widget.minimun = 0


def test_a_property_takes_no_value_of_another_type(desk: SimpleNamespace) -> None:
    with pytest.raises(AttributeError, match="maximum"):
        desk.ui.jobBar.maximum = "many"
    desk.ui.jobBar.maximum = 7
    assert desk.ui.jobBar.maximum == 7
