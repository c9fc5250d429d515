"""The settings under "Advanced": one row of the table a setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import qt
from slicer.i18n import tr as _

from TransferRiskLib.adaptation.settings import AdaptationSettings, Head, Normalised, Scheme, Weights
from TransferRiskLib.panels.widgets import choose_from, on, position, quietly


@dataclass(frozen=True)
class Option:
    """One setting and the widget it gets.

    Attributes:
        field: Of `AdaptationSettings`.
        text, tip: What the window says.
        choices: Values to choose from; for a number its range instead.
        limits: Smallest and largest number.
        decimals: 0 for whole numbers.
        automatic: Whether it may be left to the program (None).
    """

    field: str
    text: str
    tip: str = ""
    choices: tuple[Any, ...] = ()
    limits: tuple[float, float] = (0.0, 0.0)
    decimals: int = 0
    automatic: bool = False


def options() -> tuple[Option, ...]:
    """All settings of the window, in its order."""
    return (
        Option("scheme", _("Training"), _("All weights, the decoder only, near the source, or from scratch."),
               choices=get_args(Scheme)),
        Option("head", _("Output layer"), _("Keep rows of matching labels, or train a new layer first."),
               choices=get_args(Head)),
        Option("steps", _("Steps"), limits=(1, 100_000)),
        Option("probe_steps", _("Steps of the output layer alone"), limits=(0, 10_000)),
        Option("batch_size", _("Patches a step"), _("Fewer need less memory."), limits=(1, 64)),
        Option("learning_rate", _("Learning rate"), limits=(0.000001, 1.0), decimals=6),
        Option("optimizer", _("Optimiser"), choices=("adamw", "sgd")),
        Option("loss", _("Loss"), choices=("ce", "ce+dice")),
        Option("weights", _("Voxel weights"), _("How the risk map weights the loss."),
               choices=get_args(Weights)),
        Option("weight_strength", _("Strength of the weights"), limits=(0.0, 1.0), decimals=2),
        Option("normalisation", _("Loss divided by"), choices=get_args(Normalised)),
        Option("sampling", _("Patches drawn"), choices=("uniform", "balanced", "risk")),
        Option("eep_weight", _("Share of the EEP"), _("Of the source's EEP in the result."),
               limits=(0.0, 1.0), decimals=2, automatic=True),
        Option("wise_ft", _("Share of the adapted weights"), limits=(0.0, 1.0), decimals=2),
        Option("folds", _("Validation folds"), _("0 trains on all cases without validation."),
               limits=(0, 20), automatic=True),
        Option("audit", _("Audit negative transfer"), _("Train from scratch too and compare."),
               choices=(True, False)),
        Option("postprocess", _("Largest component only"), choices=("none", "largest-component", "auto")),
        Option("validate_every", _("Steps between validations"), limits=(1, 10_000)),
        Option("patience", _("Validations before an early stop"), _("0 never stops early."), limits=(0, 100)),
        Option("seed", _("Random seed"), limits=(0, 1_000_000)),
    )  # fmt: skip


class OptionWidget:
    """The widget of one setting.

    Args:
        option: The setting.
        changed: Called with field and value when the user changes it.
    """

    def __init__(self, option: Option, changed: Callable[[str, Any], None]) -> None:
        self.option = option
        if option.choices:
            self.widget = qt.QComboBox()
            self.widget.addItems([_text(choice) for choice in option.choices])
            on(self.widget, "activated(int)", lambda n: changed(option.field, option.choices[n]))
        else:
            self.widget = qt.QDoubleSpinBox() if option.decimals else qt.QSpinBox()
            if option.decimals:
                self.widget.setDecimals(option.decimals)
                self.widget.setSingleStep(
                    0.05 if option.limits[1] == 1.0 and option.decimals == 2 else 0.0001
                )
            # The value below the range stands for "automatic".
            low, high = option.limits[0] - (self._step if option.automatic else 0), option.limits[1]
            self.widget.setRange(*((low, high) if option.decimals else (int(low), int(high))))
            if option.automatic:
                self.widget.setSpecialValueText(_("automatic"))
            self.widget.setKeyboardTracking(False)
            signal = "valueChanged(double)" if option.decimals else "valueChanged(int)"
            on(self.widget, signal, lambda value: changed(option.field, self._value(value)))
        self.widget.setToolTip(option.tip)

    def show(self, settings: AdaptationSettings) -> None:
        """Show the setting's value."""
        value, option = getattr(settings, self.option.field), self.option
        if option.choices:
            choose_from(
                self.widget, [_text(choice) for choice in option.choices], position(option.choices, value)
            )
            return
        with quietly(self.widget):
            self.widget.setValue(option.limits[0] - self._step if value is None else value)

    @property
    def _step(self) -> float:
        return 10.0**-self.option.decimals if self.option.decimals else 1

    def _value(self, shown: float) -> float | int | None:
        if self.option.automatic and shown < self.option.limits[0] - self._step / 2:
            return None
        return round(shown, self.option.decimals) if self.option.decimals else int(shown)


def _text(choice: Any) -> str:
    if isinstance(choice, bool):
        return _("yes") if choice else _("no")
    return str(choice)
