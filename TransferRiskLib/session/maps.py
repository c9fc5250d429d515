"""Risk maps: compute, show, read off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from TransferRiskLib.errors import CaseError
from TransferRiskLib.mrml import heat, overlay, plots
from TransferRiskLib.mrml.nodes import folder_of, in_world, lie_alike, remove_emptied_folders
from TransferRiskLib.mrml.removal import remove_with_belongings
from TransferRiskLib.mrml.styles import STYLES, style_of
from TransferRiskLib.session.desk import YES, Desk, Node, Verdict, demand, no
from TransferRiskLib.session.guessing import RESULT
from TransferRiskLib.session.jobs import Jobs
from TransferRiskLib.session.mapping import ComputeMaps
from TransferRiskLib.session.state import MAP_KINDS, MapDisplay, MappedCase, MapRun
from TransferRiskLib.session.target_cases import TargetCases
from TransferRiskLib.session.viewing import bring_into_view
from TransferRiskLib.wording import wording

_ = wording(__name__)
_HISTOGRAM = "histogram"


class Maps:
    """`session.maps`. Display setters act on the scene at once.

    Args:
        desk: Scene, settings, state.
        jobs: Runs the computation.
        cases: The target cases.
        can_use_model: Whether a usable source model is chosen.
        model_name: Name of the chosen model.
    """

    def __init__(
        self,
        desk: Desk,
        jobs: Jobs,
        cases: TargetCases,
        can_use_model: Callable[[], Verdict],
        model_name: Callable[[], str],
    ) -> None:
        self._desk, self._jobs, self._cases = desk, jobs, cases
        self._can_use_model, self._model_name = can_use_model, model_name
        self._away = self._waiting = False

    # -- computing ------------------------------------------------------------------------------

    def can_compute(self) -> Verdict:
        """Whether there is a model and a complete labelled case."""
        for ok, reason in (self._jobs.can_compute(), self._can_use_model(), self._cases.can_use_labelled()):
            if not ok:
                return no(reason)
        return YES

    def compute(self) -> None:
        """Start the job; complete rows are mapped, rows without annotation get their expected risk,
        others are left out."""
        demand(self.can_compute())
        labelled = self._cases.usable_labelled()
        others = [replace(row, segmentation=None) for row in self._cases.usable_unlabelled()]
        scheme = self._cases.target_labels(labelled)
        taken, text = {run.name for run in self.runs}, _("Transfer risk {number} ({model})")
        names = (text.format(number=n, model=self._model_name()) for n in range(1, len(taken) + 2))
        title = next(name for name in names if name not in taken)
        rows = [*labelled, *others]
        keys = {row.key for row in rows}
        left_out = [row.name for row in self._cases.rows if row.key not in keys]
        self._jobs.start(
            ComputeMaps(self._desk, rows, self._cases.channels, scheme, title, self._arrive, left_out)
        )

    # -- what there is --------------------------------------------------------------------------

    @property
    def runs(self) -> tuple[MapRun, ...]:
        """All runs, the latest last."""
        return self._desk.state.runs

    @property
    def display(self) -> MapDisplay:
        """How maps are shown."""
        return self._desk.state.display

    @property
    def shown(self) -> MapRun | None:
        """The run that is shown."""
        return self._desk.state.shown_run()

    def can_show(self) -> Verdict:
        """Whether there are maps."""
        run = self.shown
        if run is None:
            return no(_("Compute risk maps first."))
        maps = [identity for case in run.cases for identity in case.maps.values()]
        if any(self._map(identity) is not None for identity in maps):
            return YES
        if any(self._desk.node(identity) is not None for identity in maps):
            return no(_("The files of this run's maps could not be read: compute them again."))
        return no(_("The maps of this run are not in the scene any more."))

    def kinds(self) -> tuple[str, ...]:
        """The kinds of map of the shown case that are in the scene."""
        return self._kinds_of(self._shown_case())

    def can_adjust(self) -> Verdict:
        """Whether a map is shown whose look can be changed."""
        if self.display.kind in self.kinds():
            return YES
        found = self.can_show()
        return found if not found[0] else no(_("No map is shown."))

    def title(self, kind: str) -> str:
        """What the legend says of a kind, with its unit."""
        return style_of(kind).legend

    def threshold_range(self, kind: str) -> tuple[float, float]:
        """Sensible limits of a threshold slider for a kind (the ends of its colours)."""
        return style_of(kind).window

    def threshold(self) -> tuple[float, float]:
        """Lowest and highest value shown of the shown kind."""
        kind = self.display.kind
        if kind not in STYLES:
            return (0.0, 0.0)
        style = style_of(kind)
        return style.opened(*self.display.thresholds.get(kind, style.threshold))

    def threshold_handles(self) -> tuple[float, float]:
        """Where the slider's handles stand for `threshold`: at an end of the range where nothing beyond
        it is hidden."""
        low, high = self.threshold()
        first, last = self.threshold_range(self.display.kind)
        return min(max(low, first), last), min(max(high, first), last)

    # -- showing --------------------------------------------------------------------------------

    def leave(self) -> None:
        """The user works elsewhere, in Segment Editor perhaps: maps that arrive do not take the views."""
        self._away = True

    def enter(self) -> None:
        """The user is back: maps that arrived meanwhile are shown."""
        waiting, self._away, self._waiting = self._waiting, False, False
        if waiting:
            self.refresh()

    def _arrive(self) -> str:
        if self._away:
            self._waiting = True
            return _("They are shown once you return to this module.")
        self.refresh()
        return ""

    def show_run(self, name: str) -> None:
        """Show another run."""
        run = next(run for run in self.runs if run.name == name)
        names = [case.case for case in run.cases]
        case = self.display.case if self.display.case in names else (names[0] if names else "")
        self._set(run=name, case=case)
        self._refresh_chart()

    def show_case(self, case: str) -> None:
        """Show another case."""
        self._set(case=case)

    def show_kind(self, kind: str) -> None:
        """Show another map; empty for the scan alone."""
        self._set(kind=kind)

    def set_opacity(self, opacity: float) -> None:
        """Opacity of the map in slices, 0..1."""
        overlay.set_heat_opacity(self._desk.scene, opacity)
        self._keep(opacity=float(opacity))

    def set_threshold(self, low: float, high: float | None = None) -> None:
        """Hide values of the shown kind outside of low..high (the kind's own upper end by default). A limit
        at the end of `threshold_range` hides nothing beyond it."""
        kind = self.display.kind
        limits = (float(low), float(high) if high is not None else style_of(kind).threshold[1])
        self._keep(thresholds={**self.display.thresholds, kind: limits})
        for node in self._nodes(kind):
            heat.set_threshold(node, *self.threshold())

    def set_rendering(self, on: bool) -> None:
        """Volume rendering of the shown map in 3-D."""
        self._set(rendering=bool(on))

    def refresh(self, chosen: bool = False) -> None:
        """Make the views show what `display` says.

        Args:
            chosen: Whether the user has just chosen it. A case of which nothing is left empties the views
                then, which would show another one under its name; otherwise they stay as they are.
        """
        case = self._shown_case()
        if case is None:
            return
        scan, node = self._desk.node(case.scan), self._map(case.maps.get(self.display.kind))
        if scan is None and node is None and not chosen:
            return
        bring_into_view(self._desk, scan, node, self.display.opacity)
        if node is not None:
            heat.set_threshold(node, *self.threshold())
            if self.display.rendering or heat.is_in_3d(node):
                heat.show_in_3d(node, self.display.kind, self.display.rendering)

    def jump_to_worst(self, case: str) -> None:
        """Show a case where its risk is highest.

        Raises:
            CaseError: its scan is not in the scene any more; what is left of it is shown.
        """
        self._set(case=case)
        found = self._shown_case()
        if found is None or found.worst_lps is None:
            return
        if self._desk.node(found.scan) is None:
            raise CaseError(_("The scan of “{case}” is not in the scene any more.").format(case=case))
        shown = next(iter(self._nodes_of(found)), None)
        worst = found.worst_lps if shown is None else in_world(shown, found.worst_lps)
        hidden = not overlay.in_view(self._desk.scene, worst)
        overlay.jump_to(self._desk.scene, worst, centre=hidden)

    def remove_run(self, name: str) -> None:
        """Remove a run with its nodes from the scene; a segmentation that became an annotation stays."""
        run = next(run for run in self.runs if run.name == name)
        nodes = self._made_by(run)
        folders = [item for node in nodes if (item := folder_of(node)) is not None]
        remove_with_belongings(self._desk.scene, nodes)
        remove_emptied_folders(self._desk.scene, folders)
        rest = tuple(other for other in self.runs if other.name != name)
        self._desk.update(replace(self._desk.state, runs=rest), "maps")
        if self.display.run == name:
            last = rest[-1] if rest else None
            case = last.cases[0].case if last is not None and last.cases else ""
            self._set(run=last.name if last is not None else "", case=case)
        self._refresh_chart()

    # -- reading off ----------------------------------------------------------------------------

    def table(self) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Header and rows (case, class, voxels, mean, median, 5 %, 95 %, negative share) of the run."""
        run = self.shown
        rows = tuple(
            (
                row.case,
                row.label,
                f"{row.voxels}",
                *(f"{value:.3f}" for value in (row.mean, row.median, row.q05, row.q95)),
                f"{row.negative_share:.1%}",
            )
            for row in (run.risk if run is not None else ())
        )
        header = (
            _("Case"), _("Class"), _("Voxels"), _("Mean risk"), _("Median"), _("5 %"), _("95 %"),
            _("Negative gain"),
        )  # fmt: skip
        return header, rows

    def histogram(self) -> tuple[tuple[float, ...], dict[str, tuple[int, ...]]] | None:
        """Voxels by risk: edges of the bins in nats (the last bin holds all beyond), and the counts of
        every label; None without labels."""
        run = self.shown
        if run is None or run.histogram is None:
            return None
        counts = {
            label: tuple(int(count) for count in line)
            for label, line in zip(run.histogram["targets"], run.histogram["counts"], strict=True)
        }
        return tuple(float(edge) for edge in run.histogram["edges"]), counts

    def show_histogram(self) -> Node | None:
        """Bring the histogram into Slicer's plot nodes; the chart node, or None without labels."""
        found = self.histogram()
        if found is None:
            return None
        edges, counts = found
        middles = [(low + high) / 2 for low, high in pairwise(edges)]
        curves = {label: list(zip(middles, line, strict=True)) for label, line in counts.items()}
        title, across, up = _("Voxels by risk"), _("risk (nats)"), _("voxels")
        return plots.show_curves(self._desk.scene, _HISTOGRAM, curves, title, across, up)

    def score_sentence(self) -> str:
        """How much the model tells about the labels, in words; empty without a score."""
        run = self.shown
        if run is None or run.score is None:
            return ""
        text = _("{model} tells {share} of what there is to know about the labels here.")
        sentences = [text.format(model=run.score.model, share=f"{run.score.normalised:.0%}")]
        if not run.score.informs:
            # As measured: with so low a score expected risk did not find the model's errors.
            sentences.append(_("Too little to find its errors by: maps follow how common labels are."))
        if run.score.unnamed:
            text = _("None of its outputs stands for {labels}.")
            sentences.append(text.format(labels=", ".join(run.score.unnamed)))
        return " ".join(sentences)

    def remark(self) -> str:
        """What is to be known of the shown case's maps before they are trusted; empty when nothing is."""
        case = self._shown_case()
        scan = self._desk.node(case.scan) if case is not None else None
        if case is None or scan is None or scan.GetImageData() is None:
            return ""
        if all(lie_alike(scan, node) for node in self._nodes_of(case)):
            return ""
        text = _("The scan of {case} was moved or replaced after it was mapped: its maps lie where it was.")
        return text.format(case=case.case)

    # -- inside ---------------------------------------------------------------------------------

    def _shown_case(self) -> MappedCase | None:
        run = self.shown
        if run is None:
            return None
        return next((case for case in run.cases if case.case == self.display.case), None)

    def _kinds_of(self, case: MappedCase | None) -> tuple[str, ...]:
        maps = case.maps if case is not None else {}
        return tuple(kind for kind in MAP_KINDS if self._map(maps.get(kind)) is not None)

    def _map(self, identity: str | None) -> Node | None:
        """A map of that ID; None where it is gone, or a scene was opened whose files are."""
        node = self._desk.node(identity)
        return node if node is not None and node.GetImageData() is not None else None

    def _nodes_of(self, case: MappedCase) -> list[Node]:
        found = (self._map(identity) for identity in case.maps.values())
        return [node for node in found if node is not None]

    def _refresh_chart(self) -> None:
        """A chart that is open shows the shown run, or nothing."""
        if plots.chart_of(self._desk.scene, _HISTOGRAM) is not None and self.show_histogram() is None:
            plots.remove_curves(self._desk.scene, _HISTOGRAM)

    def _nodes(self, kind: str) -> list[Node]:
        run = self.shown
        found = [self._map(case.maps.get(kind)) for case in (run.cases if run is not None else ())]
        return [node for node in found if node is not None]

    def _made_by(self, run: MapRun) -> list[Node]:
        annotations = {row.segmentation for row in self._cases.rows}
        made = (i for case in run.cases for i in (*case.maps.values(), *case.segmentations.values()))
        nodes = [self._desk.node(identity) for identity in made if identity not in annotations]
        return [node for node in nodes if node is not None and node.GetAttribute(RESULT) is not None]

    def _keep(self, **fields: object) -> None:
        display = replace(self.display, **fields)  # type: ignore[arg-type]
        self._desk.update(replace(self._desk.state, display=display), "display")

    def _set(self, **fields: object) -> None:
        self._keep(**fields)
        kinds = self.kinds()
        if kinds and self.display.kind not in (*kinds, ""):  # the case shown before had others
            self._keep(kind=kinds[0])
        self.refresh(chosen=True)
