"""Where the work is done: interpreter, libraries, devices, log, report."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import TransferRiskLib
from TransferRiskLib.jobs.interpreters import VARIABLE, find_interpreter
from TransferRiskLib.mrml.nodes import patient_of
from TransferRiskLib.places import is_folder
from TransferRiskLib.session import installing
from TransferRiskLib.session.desk import YES, Desk, Verdict, demand, no
from TransferRiskLib.session.job_plans import Plan
from TransferRiskLib.session.jobs import Jobs
from TransferRiskLib.session.privacy import Scrubber
from TransferRiskLib.tasks.requests import ProbeRequest
from TransferRiskLib.tasks.results import DeviceReport, ProbeResult
from TransferRiskLib.wording import wording

_ = wording(__name__)


class Environment:
    """`session.environment`.

    Args:
        desk: Scene, settings, state.
        jobs: Asks the worker.
    """

    def __init__(self, desk: Desk, jobs: Jobs) -> None:
        self._desk, self._jobs = desk, jobs
        self._report: ProbeResult | None = None
        self._seen: set[str] = set()
        self._failure = ""
        desk.subscribe(self._on_change)

    # -- what there is --------------------------------------------------------------------------

    @property
    def report(self) -> ProbeResult | None:
        """Versions, devices and memory as the worker reported them; None before `probe`."""
        return self._report

    def can_probe(self) -> Verdict:
        """Whether the worker can be asked now."""
        return self._jobs.can_start()

    def probe(self) -> None:
        """Start the job that asks a new worker for versions and devices: a warm one would answer with the
        packages that it has loaded, not with those that were installed since in a terminal, say."""
        demand(self.can_probe())
        if self._jobs.worker is not None:
            self._jobs.worker.release()
        self._jobs.start(_Probe(self._keep))

    def summary(self) -> tuple[tuple[str, str], ...]:
        """(heading, text) rows: interpreter, Python, torch, monai, a row a device."""
        report = self._report
        if report is None:
            return ((_("Interpreter"), self.own_python or _("found automatically")),)
        rows = [(_("Interpreter"), report.interpreter)]
        rows += [(name, version or _("not installed")) for name, version in report.versions.items()]
        if report.versions.get("torch"):
            rows.append(("CUDA", report.cuda or _("not in this build of PyTorch")))
        rows += [(device.device, _device_text(device)) for device in report.devices]
        return tuple(rows)

    def warnings(self) -> tuple[str, ...]:
        """What should be repaired, in sentences: torch missing, CPU-only torch beside an NVIDIA card."""
        report = self._report
        if report is None:
            return ()
        found = []
        absent = [name for name, version in report.versions.items() if version is None]
        if absent:
            text = _("Not installed: {packages}. Use Install / repair.")
            found.append(text.format(packages=", ".join(absent)))
        elif report.problem:
            text = _("PyTorch cannot be used ({reason}). Use Install / repair.")
            found.append(text.format(reason=report.problem))
        old = installing.too_old(report.versions)
        if old:
            text = _("Too old: {packages}. Use Install / repair.")
            found.append(text.format(packages=", ".join(old)))
        if report.nvidia and not report.problem:
            if report.cuda is None:
                text = _(
                    "This computer has an NVIDIA card ({card}), but the installed PyTorch is a CPU-only "
                    "build: everything will be many times slower. Use Install / repair."
                )
                found.append(text.format(card=report.nvidia[0]))
            elif not any(device.device.startswith("cuda") for device in report.devices):
                text = _(
                    "PyTorch was built for CUDA {version} but finds no usable card beside the driver's "
                    "{card}: update the NVIDIA driver, or install a matching PyTorch."
                )
                found.append(text.format(version=report.cuda, card=report.nvidia[0]))
        if self._jobs.lacks(self.device):
            text = _("The chosen device {device} is not there: choose another one.")
            found.append(text.format(device=self.device))
        return tuple(found)

    # -- choices --------------------------------------------------------------------------------

    @property
    def device(self) -> str:
        """The chosen device, `auto` by default."""
        return self._desk.settings.get("Device") or "auto"

    def device_choices(self) -> tuple[str, ...]:
        """`auto`, `cpu` and what the worker reported."""
        reported = tuple(device.device for device in self._report.devices) if self._report is not None else ()
        return tuple(dict.fromkeys(("auto", *reported, "cpu", self.device)))

    def set_device(self, device: str) -> None:
        """Choose the device."""
        self._desk.settings.set("Device", device)
        self._desk.tell("environment")

    @property
    def knows_device(self) -> bool:
        """Whether the device was chosen, or the worker has told what there is."""
        return self.device != "auto" or self._report is not None

    def device_kind(self) -> str:
        """`cuda`, `mps` or `cpu`: what `auto` will take, as far as the worker told, else the CPU."""
        device = self.device
        if device == "auto":
            known = self._report.devices if self._report is not None else ()
            device = known[0].device if known else "cpu"
        return device.split(":")[0]

    @property
    def interpreter(self) -> str:
        """The interpreter that the user set; empty for the default."""
        return self._desk.settings.get("Interpreter")

    @property
    def own_python(self) -> str:
        """The interpreter in use where the user named it, by the setting or by `TRANSFERRISK_PYTHON`;
        empty where Slicer's own is taken."""
        return self.interpreter or os.environ.get(VARIABLE, "")

    def can_set_interpreter(self) -> Verdict:
        """Whether no job runs."""
        return self._jobs.can_start()

    def set_interpreter(self, path: str) -> None:
        """Use another Python for the worker; the running worker ends.

        Raises SettingsError, and changes nothing, when there is no such interpreter."""
        demand(self.can_set_interpreter())
        if path:
            find_interpreter(path)
        self._desk.settings.set("Interpreter", path)
        self._jobs.disconnect()
        self._report = self._jobs.devices = None
        self._desk.tell("environment")

    def can_release(self) -> Verdict:
        """Whether a worker is there that could give memory back."""
        worker = self._jobs.worker
        if worker is None or not worker.running:
            return no(_("No worker is running: nothing holds memory."))
        return self._jobs.can_start()

    def release(self) -> None:
        """Give GPU memory back: the idle worker ends, the next job starts a new one."""
        demand(self.can_release())
        worker = self._jobs.worker
        assert worker is not None
        worker.release()
        self._desk.tell("environment")

    # -- installation ---------------------------------------------------------------------------

    def can_install(self) -> Verdict:
        """Whether the window can install: only into Slicer's own Python, and while no job runs."""
        if self.own_python:
            return no(_("The computations run in a Python of your own: run the command there yourself."))
        return self._jobs.can_start()

    def can_go_ahead(self, installed: bool, wheels: Path | None = None) -> Verdict:
        """Whether the installation as planned can work.

        Args:
            installed, wheels: As in `torch_step`.
        """
        ok, reason = self.can_install()
        if not ok:
            return no(reason)
        if wheels is not None and not is_folder(wheels):
            return no(_("There is no folder {folder}.").format(folder=wheels))
        old = self._report is not None and installing.is_torch_old(self._report)
        needed = old or self.torch_step(installed, wheels) == "install"
        if wheels is not None and needed and not installing.has_torch(wheels):
            return no(_("The folder holds no wheel of torch, and what is installed does not do."))
        return YES

    def prepare_installation(self) -> None:
        """End the warm worker: it would go on with the packages that it has loaded, and on Windows nobody
        can replace their files. Until `end_installation` no job can be started: Slicer lets clicks through
        while pip runs. Raises SettingsError with the reason when `can_install` says no."""
        demand(self.can_install())
        self._jobs.disconnect(wait=True)
        self._jobs.hold(_("Wait until the packages are installed."))
        self._desk.tell("environment")

    def end_installation(self) -> None:
        """The packages are in place, or could not be installed: jobs can be started again."""
        self._jobs.hold("")
        self._desk.tell("environment")

    def torch_step(self, installed: bool, wheels: Path | None = None) -> installing.Torch:
        """What an installation does about PyTorch.

        Args:
            installed: Whether Slicer's Python has it, which counts before the worker was asked.
            wheels: Folder of wheels for a computer without network.
        """
        return installing.torch_step(self._report, installed, wheels)

    def pip_arguments(self, wheels: Path | None = None) -> list[str]:
        """Arguments after `pip install` for what is not torch; with `wheels`, torch comes from there too."""
        return installing.pip_arguments(wheels)

    def installation_text(self, installed: bool, wheels: Path | None = None) -> str:
        """What an installation will do, in words and commands, before it does it.

        Args:
            installed, wheels: As in `torch_step`.
        """
        if self.own_python:
            return installing.text_for_own_python(self.own_python, bool(self.interpreter), wheels)
        return installing.text_for_slicer(self._report, installed, wheels)

    # -- log and report -------------------------------------------------------------------------

    def log_tail(self, lines: int = 200) -> str:
        """The end of the worker's log."""
        worker = self._jobs.worker
        return worker.log_tail(lines) if worker is not None else ""

    def remember_failure(self, details: str) -> None:
        """Keep the traceback of a mistake of ours in the window for the report."""
        self._failure = details
        self._seen |= self._names()

    def bug_report(self) -> str:
        """Versions, device, outcome and log without names of cases and without paths of the user."""
        lines = [
            f"TransferRisk {TransferRiskLib.__version__}",
            f"System: {platform.platform()}",
            f"Python of the application: {platform.python_version()}",
            f"Device setting: {self.device}",
        ]
        lines += [f"{heading}: {text}" for heading, text in self.summary()]
        lines += [f"Warning: {warning}" for warning in self.warnings()]
        state = self._desk.state
        lines += [
            f"Cases: {len(state.cases)}, runs of maps: {len(state.runs)}, scans: {len(state.scans)}",
            f"Adaptation: {state.adapted.status}, preset {state.adapt.preset}, "
            f"changed settings: {dict(state.adapt.overrides)}",
        ]
        outcome = self._jobs.outcome
        if outcome is not None:
            lines += [f"Last job: {outcome.task}, {outcome.kind}", outcome.message, outcome.hint]
            lines += ["", "Details:", outcome.details] if outcome.details else []
        lines += ["", "Last failure in the window:", self._failure] if self._failure else []
        lines += ["", "Messages:", *self._jobs.messages, "", "Log:", self.log_tail()]
        return Scrubber(self._seen | self._names()).scrub("\n".join(lines)).strip() + "\n"

    def _on_change(self, change: str) -> None:
        """Messages, outcome and log tell of the nodes and rows that a job took and made. They outlive them:
        who is renamed or removed, or goes with the scene, stays in them under the old name."""
        if change != "job":
            return
        progress = self._jobs.progress
        if progress is None or progress.phase in ("preparing", "applying"):
            self._seen |= self._names()

    def _names(self) -> set[str]:
        """What could identify a patient: names of rows, of their patients, and of nodes that hold images or
        drawings."""
        state, scene = self._desk.state, self._desk.scene
        names = {row.name for row in state.cases} | {row.name for row in state.scans}
        names |= {mapped.case for run in state.runs for mapped in run.cases}
        patients = {row.patient.strip() for row in state.cases}
        for kind in ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLMarkupsNode"):
            for number in range(scene.GetNumberOfNodesByClass(kind)):
                node = scene.GetNthNodeByClass(number, kind)
                names.add(node.GetName())
                patients.add(patient_of(node) or "")
        # "Doe^Jane" of DICOM is "jane_doe" elsewhere.
        parts = {part for patient in patients for part in re.split(r"[\^,;\s_]+", patient)}
        return {name for name in names | patients | {part for part in parts if len(part) > 2} if name}

    def _keep(self, report: ProbeResult) -> None:
        self._report = report
        # Without a torch that works nothing is known of devices.
        usable = report.versions.get("torch") and not report.problem
        self._jobs.devices = tuple(device.device for device in report.devices) if usable else None
        self._desk.tell("environment")


def _device_text(device: DeviceReport) -> str:
    if device.total_bytes is None:
        return device.name
    text = _("{name} ({total} GB)")
    if device.free_bytes is not None:
        text = _("{name} ({total} GB, {free} GB free)")
    total, free = f"{device.total_bytes / 1e9:.1f}", f"{(device.free_bytes or 0) / 1e9:.1f}"
    return text.format(name=device.name, total=total, free=free)


class _Probe(Plan):
    task, worker_task, result_type = "probe", "probe", ProbeResult

    def __init__(self, keep: Any) -> None:
        self._keep = keep

    @property
    def title(self) -> str:
        return _("Asking the worker")

    def prepare(self) -> Generator[str, None, ProbeRequest]:
        return ProbeRequest()
        yield ""

    def apply(self, result: Any) -> Iterator[str]:
        self._keep(result)
        yield _("Environment")
