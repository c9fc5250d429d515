"""A session that answers what a test wrote down and remembers what it was asked to do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from TransferRiskLib.adaptation.settings import PRESETS, preset_settings
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.session.state import CaseRow, MapDisplay, ScanRow, SegmentChoice

CARD = ModelCard("tissue-t1w", ("T1",), LabelScheme.of("CSF", "GM", "WM"), architecture="DynUNet")
YES = (True, "")


class Part:
    """One part of a session: what is not an attribute is a call to remember.

    `can_...` says yes unless `refusals` has a reason for it. A call whose name is in `errors`
    raises that.
    """

    def __init__(self, name: str, calls: list[tuple[Any, ...]], refusals: dict[str, str], /, **answers: Any):
        vars(self).update(answers)
        self._name, self._calls, self._refusals = name, calls, refusals
        self.errors: dict[str, Exception] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*arguments: Any, **named: Any) -> Any:
            if name.startswith("can_"):
                reason = self._refusals.get(f"{self._name}.{name}")
                return YES if reason is None else (False, reason)
            self._calls.append((f"{self._name}.{name}", *arguments, *named.items()))
            if name in self.errors:
                raise self.errors[name]
            return None

        return call


class FakeSession:
    """All parts with enough in them that every widget shows something.

    `calls` lists what was asked for as ("part.method", arguments...); `tell` announces a change.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.refusals: dict[str, str] = {}
        self.problem = ""
        self._callbacks: list[Callable[[str], None]] = []
        entries = (
            _entry("tissue-t1w", "demonstration", CARD),
            _entry("mine", "added", CARD),
            _entry("broken", "folder", None, "The card is missing."),
        )
        score = ("tissue-t1w", "0.71"), ("mine", "0.40")
        self.models = self._part(
            "models",
            entries=entries,
            chosen=entries[0],
            find=lambda path: next((entry for entry in entries if str(entry.path) == path), None),
            listed_with=lambda path: entries,
            card=CARD,
            folder="",
            card_summary=lambda: (("Channels", "T1"), ("Labels", "CSF, GM, WM"), ("Licence", "Apache <2.0>")),
            ranking=lambda: (("Model", "Score"), score),
            ranking_sentence=lambda: "Scored on Anna.",
            name_of=lambda entry: entry.name,
            ranked_paths=lambda: (entries[0].path, entries[1].path),
        )
        rows = (
            CaseRow("a", "Anna", {"T1": "v1"}, "s1"),
            CaseRow("b", "Ben", {"T1": "v2"}, role="held-out"),
        )
        self.cases = self._part(
            "cases",
            rows=rows,
            channels=("T1",),
            glance=nullcontext,
            volumes=lambda key: {"T1": {"a": "v1", "b": "v2"}[key]},
            missing=lambda key: [] if key == "a" else ["The segmentation is missing."],
            remarks=lambda key: [],
            found_patient=lambda key: {"a": "Anna", "b": "Doe (17)"}[key],
            segments=lambda key: {"s1": "grey", "s2": "white"} if key == "a" else {},
            label_choices=lambda: ("background", "GM", "WM"),
            segment_labels=lambda key: {"s1": "GM", "s2": None},
            suggestions=(),
            add_from_scene=lambda: ["b"],
            prepare_annotation=lambda key: (f"segmentation of {key}", f"volume of {key}"),
        )
        shown = SimpleNamespace(
            name="Run 1", cases=(SimpleNamespace(case="Anna"), SimpleNamespace(case="Ben"))
        )
        header = ("Case", "Class", "Voxels", "Mean", "Median", "5 %", "95 %", "Negative")
        lines = (
            ("Anna", "GM", "1200", "0.31", "0.20", "0.02", "1.40", "4.0%"),
            ("Ben", "lesion", "85", "2.90", "2.71", "0.50", "5.10", "61.2%"),
        )
        self.maps = self._part(
            "maps",
            runs=(SimpleNamespace(name="Run 1"), SimpleNamespace(name="Run 2")),
            display=MapDisplay("Run 1", "Anna", "risk", 0.65),
            shown=shown,
            kinds=lambda: ("risk", "gain"),
            title=lambda kind: {"risk": "Transfer risk (nats)", "gain": "Transfer gain (nats)"}[kind],
            threshold_range=lambda kind: (0.0, 4.0),
            threshold_handles=lambda: (0.2, 4.0),
            table=lambda: (header, lines),
            histogram=lambda: ((0.0, 1.0, 2.0), {"GM": (5, 3)}),
            show_histogram=lambda: "histogram chart",
            score_sentence=lambda: "tissue-t1w tells 71 % of what there is to know about the labels here.",
            remark=lambda: "",
        )
        audit = (("Label", "Transferred", "From scratch", "Difference"), (("GM", "0.81", "0.74", "+0.07"),))
        self.adapting = self._part(
            "adapting",
            presets=PRESETS,
            preset="recommended",
            settings=preset_settings("recommended"),
            name="",
            chosen_output_folder="",
            usual_output_folder=Path("models"),
            estimate=lambda: SimpleNamespace(
                sentence="Roughly 12 minutes and 2 GB of memory.", measured=False
            ),
            curves={"Fold 1: loss": ((0.0, 1.0),)},
            outcome_sentence="Transfer helped: mean Dice 0.81 instead of 0.74 from scratch.",
            audit_table=lambda: audit,
            unfinished=Path("models") / "adapted-1",
            given_up=None,
            bundle=Path("models") / "adapted",
            show_curves=lambda: "chart",
        )
        self.segmenting = self._part(
            "segmenting",
            rows=(
                ScanRow("x", "New scan 1", {"T1": "v1"}, segmentation="s1"),
                ScanRow("y", "New scan 2", {"T1": "v2"}, chosen=False),
                ScanRow("z", "New scan 3", error="out of memory"),
            ),
            options=SegmentChoice(uncertainty=True),
            model=entries[0],
            channels=("T1",),
            volumes=lambda key: {"x": {"T1": "v1"}, "y": {"T1": "v2"}, "z": {}}[key],
            missing=lambda key: [],
            edit_target=lambda key: (f"segmentation of {key}", f"volume of {key}"),
        )
        self.environment = self._part(
            "environment",
            knows_device=True,
            summary=lambda: (("Python", "3.12"), ("torch", "2.13"), ("monai", "1.6")),
            warnings=lambda: (),
            report=None,
            device="auto",
            device_choices=lambda: ("auto", "cpu", "cuda:0"),
            interpreter="",
            own_python="",
            installation_text=lambda installed, wheels=None: f"Will install monai. {wheels or ''}".strip(),
            torch_step=lambda installed, wheels=None: "keep" if installed else "install",
            pip_arguments=lambda wheels=None: ["monai"],
            bug_report=lambda: "report",
            log_tail=lambda lines=200: "the log",
        )
        self.jobs = self._part("jobs", busy=False, progress=None, outcome=None)

    @property
    def state(self) -> Any:
        return SimpleNamespace(case=lambda key: next(row for row in self.cases.rows if row.key == key))

    def subscribe(self, callback: Callable[[str], None]) -> Callable[[], None]:
        self._callbacks.append(callback)

        def unsubscribe() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return unsubscribe

    @property
    def subscribers(self) -> int:
        return len(self._callbacks)

    def tell(self, change: str) -> None:
        for callback in list(self._callbacks):
            callback(change)

    def tick(self) -> None:
        self.calls.append(("tick",))

    def _part(self, name: str, /, **answers: Any) -> Any:
        return Part(name, self.calls, self.refusals, **answers)


def _entry(name: str, origin: str, card: ModelCard | None, problem: str = "") -> Any:
    return SimpleNamespace(path=Path(name), origin=origin, card=card, problem=problem, name=name)
