"""A form with one volume to choose for each channel that a model wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slicer.i18n import tr as _

from TransferRiskLib.panels.widgets import clear_form, node_selector, show_node

VOLUMES = ("vtkMRMLScalarVolumeNode",)


class ChannelForm:
    """Rows of channel name and volume in a form layout.

    Args:
        form: The `QFormLayout` that holds nothing else.
        choose: Called with a channel and the chosen node's identity, or None.
    """

    def __init__(self, form: Any, choose: Callable[[str, str | None], None]) -> None:
        self._form, self._choose = form, choose
        self._channels: tuple[str, ...] | None = None
        self._selectors: dict[str, Any] = {}

    def show(self, channels: Sequence[str], chosen: Mapping[str, str]) -> None:
        """Show these channels with their volumes; the rows are built anew only when channels change."""
        if tuple(channels) != self._channels:
            self._channels = tuple(channels)
            clear_form(self._form)
            self._selectors = {channel: self._add(channel) for channel in channels}
        for channel, selector in self._selectors.items():
            show_node(selector, chosen.get(channel))

    def _add(self, channel: str) -> Any:
        selector = node_selector(VOLUMES, _("choose a volume"), lambda node: self._choose(channel, node))
        self._form.addRow(f"{channel}:", selector)
        return selector
