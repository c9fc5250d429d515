"""Target cases: rows of volumes and segmentations in the scene."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from TransferRiskLib.cases.labels import BACKGROUND, LabelScheme
from TransferRiskLib.models.card import ModelCard
from TransferRiskLib.mrml import annotation, overlay
from TransferRiskLib.session import row_checks
from TransferRiskLib.session.desk import YES, Desk, Node, Verdict, demand, no
from TransferRiskLib.session.guessing import can_find_cases, find_cases, unique
from TransferRiskLib.session.jobs import Jobs
from TransferRiskLib.session.loading import LoadCases
from TransferRiskLib.session.patients import found_patient
from TransferRiskLib.session.row_volumes import volumes_for, with_volume
from TransferRiskLib.session.segment_labels import Meanings, carried, is_annotated, meanings
from TransferRiskLib.session.state import CaseRow, RegionKind, Role
from TransferRiskLib.session.suggesting import Suggest, Suggestion, suggestions_now
from TransferRiskLib.session.target_labels import lacking, scheme_to_draw, target_scheme
from TransferRiskLib.session.viewing import bring_into_view, uncover
from TransferRiskLib.wording import wording

_ = wording(__name__)


class TargetCases:
    """`session.cases`.

    Args:
        desk: Scene, settings, state.
        jobs: Loads folders and finds what to annotate next.
        card: The chosen model's card, or None.
    """

    def __init__(self, desk: Desk, jobs: Jobs, card: Callable[[], ModelCard | None]) -> None:
        self._desk, self._jobs, self._card = desk, jobs, card

    def glance(self) -> AbstractContextManager[None]:
        """Within it every row is checked once at most, however many ask: for a pass over the window, in
        which nothing changes."""
        return self._desk.glance()

    def _once(self, check: Callable[[CaseRow], list[str]], row: CaseRow) -> list[str]:
        return list(self._desk.once((check, row.key), lambda: check(row)))

    # -- the table ------------------------------------------------------------------------------

    @property
    def rows(self) -> tuple[CaseRow, ...]:
        """The rows of the table."""
        return self._desk.state.cases

    @property
    def channels(self) -> tuple[str, ...]:
        """The chosen model's channels: a column each; those of the rows without a model."""
        card = self._card()
        if card is not None:
            return card.channels
        return tuple(dict.fromkeys(channel for row in self.rows for channel in row.channels))

    def missing(self, key: str) -> list[str]:
        """What a row lacks to be trained on, in sentences; empty when it is complete."""
        return self.missing_images(key) + self._once(self._missing_annotation, self._desk.state.case(key))

    def missing_images(self, key: str) -> list[str]:
        """What a row lacks to be looked at by the model, annotated or not."""
        return self._once(self._missing_images, self._desk.state.case(key))

    def _missing_images(self, row: CaseRow) -> list[str]:
        return row_checks.missing_images(self._desk, row, self._wanted(row))

    def _missing_annotation(self, row: CaseRow) -> list[str]:
        return row_checks.missing_annotation(self._desk, row, self._wanted(row))

    def remarks(self, key: str) -> list[str]:
        """What is worth knowing of a row though it can be used (another contrast, say)."""
        row, scheme = self._desk.state.case(key), self._desk.once("labels", self.target_labels)
        own = [*self.segments(key).values(), *filter(None, self.segment_labels(key).values())]
        return [
            *row_checks.remarks(self._desk, row, self._card()),
            *row_checks.repeated(row, self.rows),
            *row_checks.lacking_labels(row, own, scheme.names[1:] if scheme is not None else ()),
        ]

    def is_labelled(self, key: str) -> bool:
        """Whether anything is drawn in the row that stands for a label."""
        return is_annotated(self._desk, self._desk.state.case(key))

    def usable_labelled(self) -> list[CaseRow]:
        """Rows that lack nothing."""
        return [row for row in self.rows if not self.missing(row.key)]

    def usable_unlabelled(self) -> list[CaseRow]:
        """Rows that lack nothing but annotation."""
        return [r for r in self.rows if not self.missing_images(r.key) and not self.is_labelled(r.key)]

    def can_use_labelled(self) -> Verdict:
        """Whether there is a complete, annotated case."""
        return self._some_complete(self.usable_labelled(), lambda row: self.missing(row.key))

    def to_compare(self) -> list[CaseRow]:
        """Rows on which models can be compared: those of `usable_labelled`; where the chosen model suits
        none, those that are complete with the volumes that they have."""
        return self.usable_labelled() or [row for row in self.rows if not self._lacks_itself(row)]

    def can_compare(self) -> Verdict:
        """Whether there is a case to compare models on."""
        return self._some_complete(self.to_compare(), self._lacks_itself)

    # -- adding and removing --------------------------------------------------------------------

    def can_add_from_scene(self) -> Verdict:
        """Whether the scene has a case of which no row uses any scan."""
        return can_find_cases(self._desk.scene, self.channels, set(self._used()))

    def add_from_scene(self) -> list[str]:
        """Add a row for every case in the scene of which no row uses any scan, guessing channels and
        segmentations by name; the new rows' keys."""
        demand(self.can_add_from_scene())
        found = find_cases(self._desk.scene, self.channels, set(self._used()))
        return self.insert([CaseRow("", case.name, case.channels, case.segmentation) for case in found])

    def add(self, name: str = "") -> str:
        """Add an empty row; its key."""
        return self.insert([CaseRow("", name)])[0]

    def insert(self, rows: Iterable[CaseRow]) -> list[str]:
        """Add rows, which get keys and unique names of their own; the keys."""
        state, keys = self._desk.state, []
        for row in rows:
            name = unique(row.name, (known.name for known in state.cases))
            row = replace(row, key=state.new_key(), name=name)
            state = replace(state, cases=(*state.cases, row))
            keys.append(row.key)
        self._desk.update(state, "cases")
        return keys

    def can_add_folder(self) -> Verdict:
        """Whether a folder can be loaded now."""
        return self._jobs.can_start()

    def add_folder(self, path: Path) -> None:
        """Read a folder or list of cases (any known layout) and load them into the scene, one volume a
        `tick`. It counts as a job, whose outcome says when there are none: see `jobs`."""
        demand(self.can_add_folder())
        self._jobs.start(LoadCases(self._desk, Path(path), self.channels, self.insert))

    def remove(self, key: str) -> None:
        """Take a row off the table; its nodes stay in the scene."""
        rows = tuple(row for row in self.rows if row.key != key)
        self._desk.update(replace(self._desk.state, cases=rows), "cases")

    def rename(self, key: str, name: str) -> None:
        """Give a row another name, made unique."""
        others = (row.name for row in self.rows if row.key != key)
        self._change(key, name=unique(name, others))

    # -- what a row is made of ------------------------------------------------------------------

    def set_channel(self, key: str, channel: str, node_id: str | None) -> None:
        """Choose the volume of a channel."""
        row = self._desk.state.case(key)
        self._change(key, channels=with_volume(row, self.channels, channel, node_id))

    def volumes(self, key: str) -> dict[str, str]:
        """Node ID of the volume that serves each of `channels`."""
        return volumes_for(self._desk.state.case(key), self.channels)

    def set_segmentation(self, key: str, node_id: str | None) -> None:
        """Choose the segmentation. What was said of segments of the former one holds for those of the
        same names."""
        row, chosen = self._desk.state.case(key), node_id or None
        labels: Meanings = row.labels
        if chosen != row.segmentation:
            before, after = self._desk.node(row.segmentation), self._desk.node(chosen)
            gone = row.segmentation is not None and before is None  # the IDs are of no use then
            labels = carried({} if gone else labels, before, after)
        self._change(key, segmentation=chosen, labels=labels)

    def set_label(self, key: str, segment: str, label: str | None) -> None:
        """Say which label a segment (by ID) is: a target label, "background", or None for unlabelled."""
        labels = {**self._desk.state.case(key).labels, segment: label}
        self._change(key, labels=labels)

    def set_region(self, key: str, region: RegionKind, roi: str | None = None) -> None:
        """Say what was annotated."""
        self._change(key, region=region, roi=roi if region == "roi" else None)

    def set_patient(self, key: str, patient: str) -> None:
        """Say whose scan it is; empty goes back to what `found_patient` says."""
        self._change(key, patient=patient.strip())

    def found_patient(self, key: str) -> str:
        """Whose scan it is where nobody says otherwise."""
        return found_patient(self._desk, self._desk.state.case(key))

    def set_role(self, key: str, role: Role) -> None:
        """Train on the case, or hold it out."""
        self._change(key, role=role)

    def segments(self, key: str) -> dict[str, str]:
        """The segments of a row's segmentation: ID to name."""
        row = self._desk.state.case(key)
        return {identifier: segment.name for identifier, segment, _ in meanings(self._desk, row)}

    def segment_labels(self, key: str) -> dict[str, str | None]:
        """The labels that the segments of a row stand for, by segment ID; None for unlabelled."""
        row = self._desk.state.case(key)
        return {identifier: label for identifier, _, label in meanings(self._desk, row)}

    def label_choices(self) -> tuple[str, ...]:
        """Labels to offer for a segment: background, the model's, those of all rows' segments."""
        card = self._card()
        names = [BACKGROUND, *(card.labels.names[1:] if card is not None else ())]
        scheme = self._desk.once("labels", self.target_labels)
        names += (label.name for label in (scheme.foreground if scheme is not None else ()))
        names += (segment for row in self.rows for segment in self.segments(row.key).values())
        found: dict[str, str] = {}
        for name in names:
            found.setdefault(name.casefold(), name)
        return tuple(found.values())

    def target_labels(self, rows: Iterable[CaseRow] | None = None) -> LabelScheme | None:
        """The target labels that the mappings of rows (all by default) make; None without any."""
        card = self._card()
        wanted = self.rows if rows is None else rows
        return target_scheme(self._desk, wanted, card.labels if card is not None else None)

    # -- annotating -----------------------------------------------------------------------------

    def can_annotate(self, key: str) -> Verdict:
        """Whether the row has a volume to draw on."""
        volume = self._drawn_on(key)
        if volume is None:
            return no(_("Choose the volume of this case first."))
        if problem := row_checks.volume_problem(volume):
            return no(problem)
        drawn = self._desk.node(self._desk.state.case(key).segmentation)
        if drawn is None and self._to_draw() is None:
            return no(_("Choose a source model first: its labels become the segments."))
        return YES

    def prepare_annotation(self, key: str) -> tuple[Node, Node]:
        """Make a row ready for Segment Editor: the segmentation node, made where there was none, with a
        named, coloured segment for each label of `scheme_to_draw`, and the volume to draw on. Segments
        that are there stay as they are."""
        demand(self.can_annotate(key))
        row, volume = self._desk.state.case(key), self._drawn_on(key)
        node, scheme = self._desk.node(row.segmentation), self._to_draw()
        missing = lacking(self._desk, row, scheme) if scheme is not None else None
        if missing is not None:
            name = _("{case} annotation").format(case=row.name)
            node = annotation.prepare_segmentation(self._desk.scene, node, missing, volume, name)
            self.set_segmentation(key, node.GetID())
        bring_into_view(self._desk, volume)
        uncover(node)
        return node, volume

    def _to_draw(self) -> LabelScheme | None:
        card = self._card()
        return scheme_to_draw(self._desk, self.rows, card.labels if card is not None else None)

    def _drawn_on(self, key: str) -> Node | None:
        volumes = self.volumes(key)
        nodes = (self._desk.node(volumes.get(channel)) for channel in self.channels)
        return next((node for node in nodes if node is not None), None)

    # -- what to annotate next ------------------------------------------------------------------

    def can_suggest_next(self) -> Verdict:
        """Whether there are statistics (of a risk map) and scans without annotation."""
        ok, reason = self._jobs.can_compute()
        if not ok:
            return no(reason)
        if not self._desk.state.model:
            return no(_("Choose a source model first."))
        if self._card() is None:
            return no(_("The source model cannot be used: section 1 says why."))
        if self._desk.state.statistics_of_model() is None:
            return no(_("Compute a risk map with this model first: it tells what to expect."))
        if not self.usable_unlabelled():
            return no(_("There is no scan without annotation among the cases."))
        return YES

    def suggest_next(self) -> None:
        """Start the job that finds the scan to annotate next; see `suggestions` ("cases" changes)."""
        demand(self.can_suggest_next())
        self._jobs.start(Suggest(self._desk, self.usable_unlabelled(), self.channels))

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """What is left of the last answer, the most worthwhile scan first; see `suggestions_now`."""
        return suggestions_now(self._desk, self.volumes, self.is_labelled)

    def can_jump_to_suggestion(self, key: str) -> Verdict:
        """Whether a case is suggested."""
        if any(suggestion.key == key for suggestion in self.suggestions):
            return YES
        return no(_("It is not suggested any more: Suggest next looks for another scan."))

    def jump_to_suggestion(self, key: str) -> None:
        """Show the suggested scan at the suggested place."""
        demand(self.can_jump_to_suggestion(key))
        suggestion = next(s for s in self.suggestions if s.key == key)
        bring_into_view(self._desk, self._drawn_on(key))
        if suggestion.lps is not None:
            overlay.jump_to(self._desk.scene, suggestion.lps)

    def _lacks_itself(self, row: CaseRow) -> list[str]:
        """What a row lacks whatever the model."""
        own = tuple(row.channels)
        lacks = row_checks.missing_images(self._desk, row, own)
        return lacks + row_checks.missing_annotation(self._desk, row, own)

    def _wanted(self, row: CaseRow) -> tuple[str, ...]:
        """The channels that a row is judged by: the model's, its own without one."""
        card = self._card()
        return card.channels if card is not None else tuple(row.channels)

    def _some_complete(self, complete: list[CaseRow], lacks: Callable[[CaseRow], list[str]]) -> Verdict:
        if not self.rows:
            return no(_("Add target cases first."))
        if complete:
            return YES
        row = self.rows[0]
        text = _("No case is complete. {case}: {reason}")
        return no(text.format(case=row.name, reason=lacks(row)[0]))

    def _change(self, key: str, **fields: object) -> None:
        row = replace(self._desk.state.case(key), **fields)  # type: ignore[arg-type]
        self._desk.update(self._desk.state.with_case(row), "cases")

    def _used(self) -> Iterable[str]:
        for row in self.rows:
            yield from row.channels.values()
            if row.segmentation:
                yield row.segmentation
