"""What every panel of the window has in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from TransferRiskLib.panels.widgets import fit, on

if TYPE_CHECKING:
    from TransferRiskLib.panels.application import Application
    from TransferRiskLib.session.session import Session


@dataclass(frozen=True)
class Surroundings:
    """What a panel works with.

    Attributes:
        ui: The widgets of the window description by name.
        session: What the window shows.
        application: Slicer's application around the window.
        attempt: Runs what a click asks for; an error of ours becomes a line in the window.
    """

    ui: Any
    session: Session
    application: Application
    attempt: Callable[[Callable[[], object]], None]


class Panel:
    """One section of the window. It shows the session's state and passes clicks on, nothing else.

    `changes` names the changes of the session (see `session.CHANGES`) after which it shows itself
    anew; "state" always does. A panel that is `stale` is refreshed with the next tick of the window's
    timer, never from within a signal of one of its widgets, which a refresh may replace.
    """

    changes: ClassVar[frozenset[str]] = frozenset()
    tables: ClassVar[tuple[str, ...]] = ()
    """Names of its tables, which follow the window's width."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.ui = surroundings.ui
        self.session = surroundings.session
        self.application = surroundings.application
        self.attempt = surroundings.attempt
        self.stale = True
        self._widths: dict[str, int] = {}

    def refresh(self) -> None:
        """Show the session's state."""

    def settle(self) -> None:
        """Fit the tables whose width has changed; called with every tick of the window's timer."""
        for name in self.tables:
            table = getattr(self.ui, name)
            if table.viewport().width != self._widths.get(name):
                self._widths[name] = table.viewport().width
                fit(table)

    def allow(self) -> None:
        """Enable what can work now."""

    def on_click(self, button: str, action: Callable[[], object]) -> None:
        """Have a click on a button do something."""
        on(getattr(self.ui, button), "clicked()", lambda: self.attempt(action))
