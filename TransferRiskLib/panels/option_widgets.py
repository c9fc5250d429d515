"""The widget that an option of the table under "Advanced" gets."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import qt
from slicer.i18n import tr as _

from TransferRiskLib.adaptation.settings import AdaptationSettings
from TransferRiskLib.panels.augmentation_options import read
from TransferRiskLib.panels.widgets import choose_from, compact, on, position, quietly, write


@dataclass(frozen=True)
class Option:
    """One setting and the widget it gets: a list to choose from, a line of numbers, or a number.

    Attributes:
        field: Of `AdaptationSettings`; `augmentation.remap` is a field of its augmentation.
        text, tip: What the window says.
        choices: Values to choose from.
        words: What the choices are called, where their own names do not say it.
        limits: Smallest and largest number.
        decimals: 0 for whole numbers.
        step: Of the arrows; the last decimal by default.
        automatic: Whether it may be left to the program (None).
        several: Whether it is a line of numbers; None and no number at all are the empty line.
        empty: What an empty line of numbers means.
    """

    field: str
    text: str
    tip: str
    choices: tuple[Any, ...] = ()
    words: tuple[str, ...] = ()
    limits: tuple[float, float] = (0.0, 0.0)
    decimals: int = 0
    step: float = 0.0
    automatic: bool = False
    several: bool = False
    empty: str = ""


class OptionWidget:
    """The widget of one setting: `widget`.

    Args:
        option: The setting.
        changed: Called with field and value when the user changes it.
    """

    def __init__(self, option: Option, changed: Callable[[str, Any], None]) -> None:
        self.option = option
        self._changed = changed
        self._shown: str | None = None
        if option.choices:
            self.widget = self._list()
        elif option.several:
            self.widget = self._line()
        else:
            self.widget = self._number()
        self.widget.setToolTip(option.tip)

    def show(self, settings: AdaptationSettings) -> None:
        """Show the setting's value. A line that is being typed stays until the setting changes."""
        value, option = read(settings, self.option.field), self.option
        if option.choices:
            choose_from(self.widget, self._words, position(option.choices, value))
        elif option.several:
            text = ", ".join(map(str, value or ()))
            if text != self._shown:
                write(self.widget, text)
                self._shown = text
        else:
            number = option.limits[0] - self._last_decimal if value is None else value
            with quietly(self.widget):
                self.widget.setValue(number if option.decimals else int(number))

    def _list(self) -> Any:
        widget = qt.QComboBox()
        widget.addItems(self._words)
        compact(widget)
        on(widget, "activated(int)", lambda n: self._changed(self.option.field, self.option.choices[n]))
        return widget

    def _line(self) -> Any:
        widget = qt.QLineEdit()
        widget.setPlaceholderText(self.option.empty)
        on(widget, "editingFinished()", self._typed)
        return widget

    def _number(self) -> Any:
        option = self.option
        widget = qt.QDoubleSpinBox() if option.decimals else qt.QSpinBox()
        step = option.step or self._last_decimal
        if option.decimals:
            widget.setDecimals(option.decimals)
        widget.setSingleStep(step if option.decimals else int(step))
        # The value below the range stands for "automatic".
        low, high = option.limits[0] - (self._last_decimal if option.automatic else 0), option.limits[1]
        widget.setRange(*((low, high) if option.decimals else (int(low), int(high))))
        if option.automatic:
            widget.setSpecialValueText(_("automatic"))
        widget.setKeyboardTracking(False)
        signal = "valueChanged(double)" if option.decimals else "valueChanged(int)"
        on(widget, signal, lambda value: self._changed(option.field, self._value(value)))
        return widget

    @property
    def _words(self) -> list[str]:
        return list(self.option.words) or [_text(choice) for choice in self.option.choices]

    @property
    def _last_decimal(self) -> float:
        return 10.0**-self.option.decimals if self.option.decimals else 1

    def _value(self, number: float) -> float | int | None:
        if self.option.automatic and number < self.option.limits[0] - self._last_decimal / 2:
            return None
        return round(number, self.option.decimals) if self.option.decimals else int(number)

    def _typed(self) -> None:
        # Qt says so as well when the caret merely leaves the line.
        text = self.widget.text
        if text != self._shown:
            self._shown = None
            numbers = numbers_of(text)
            self._changed(self.option.field, None if self.option.automatic and not numbers else numbers)


def _text(choice: Any) -> str:
    if isinstance(choice, bool):
        return _("yes") if choice else _("no")
    return str(choice)


def numbers_of(text: str) -> tuple[int | float | str, ...]:
    """The numbers of a line; what is none stays text, for the settings to refuse.

    Example:
        >>> numbers_of("64 x 64, 1.5 a")
        (64, 64, 1.5, 'a')
    """
    return tuple(_number(part) for part in re.split(r"[\s,;x×]+", text) if part)


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
