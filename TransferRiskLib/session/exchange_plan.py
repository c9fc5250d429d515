"""A plan whose files live in a private temporary folder."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from TransferRiskLib.jobs.exchange import ExchangeFolder
from TransferRiskLib.session.desk import Desk, prediction_settings
from TransferRiskLib.session.handover import Handover
from TransferRiskLib.session.job_plans import Plan


class ExchangePlan(Plan):
    """Inputs and outputs go through a folder that is removed with the end of the job.

    Args:
        desk: Scene, settings, state.

    Attributes:
        prediction: How the job predicts. Choices are read when a job is started, here and in `__init__`
            of what derives from this: they may change while images are handed over.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.prediction = prediction_settings(desk.settings)

    @cached_property
    def folder(self) -> ExchangeFolder:
        """The folder, made at first use."""
        parent = self.desk.temporary
        return ExchangeFolder(Path(parent) if parent is not None else None)

    @cached_property
    def handover(self) -> Handover:
        """Writes nodes into the folder."""
        return Handover(self.desk, self.folder)

    def in_words(self, text: str) -> str:
        return self.handover.in_words(text) if "handover" in self.__dict__ else text

    def tidy(self) -> None:
        if "folder" in self.__dict__:
            self.folder.close()
