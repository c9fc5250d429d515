"""A form with one volume to choose for each channel that a model wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from TransferRiskLib.panels.widgets import node_selector, show_node

VOLUMES = ("vtkMRMLScalarVolumeNode",)


class ChannelForm:
    """Rows of channel name and volume.

    Args:
        place: The box layout that holds nothing else.
        choose: Called with a channel and the chosen node's identity, or None.
    """

    def __init__(self, place: Any, choose: Callable[[str, str | None], None]) -> None:
        self._place, self._choose = place, choose
        self._rows: Any = None
        self._channels: tuple[str, ...] | None = None
        self._selectors: dict[str, Any] = {}

    def show(self, channels: Sequence[str], chosen: Mapping[str, str]) -> None:
        """Show these channels with their volumes; the rows are built anew only when channels change."""
        if tuple(channels) != self._channels:
            self._channels = tuple(channels)
            self._build()
        for channel, selector in self._selectors.items():
            show_node(selector, chosen.get(channel))

    def _build(self) -> None:
        if self._rows is not None:
            self._place.removeWidget(self._rows)
            self._rows.setParent(None)
            self._rows.deleteLater()
        self._rows = qt.QWidget()
        form = qt.QFormLayout(self._rows)
        form.setContentsMargins(0, 0, 0, 0)
        self._selectors = {channel: self._add(form, channel) for channel in self._channels or ()}
        self._place.addWidget(self._rows)

    def _add(self, form: Any, channel: str) -> Any:
        selector = node_selector(VOLUMES, _("choose a volume"), lambda node: self._choose(channel, node))
        form.addRow(f"{channel}:", selector)
        return selector
