"""The state in a parameter node of the scene.

One mechanism everywhere: a JSON text in a parameter of a `vtkMRMLScriptedModuleNode`, and a node
reference for every node that the text names. It works headless, unlike `slicer.parameterNodeWrapper`,
which also has no form for tables of rows; and MRML updates node references when a scene that is opened
must give its nodes new IDs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from TransferRiskLib.errors import SettingsError
from TransferRiskLib.records import from_json, to_json
from TransferRiskLib.session.desk import Node
from TransferRiskLib.session.segment_labels import read_row
from TransferRiskLib.session.state import CaseRow, SessionState
from TransferRiskLib.session.state_nodes import GONE, node_ids, with_node_ids
from TransferRiskLib.wording import wording

_ = wording(__name__)
MODULE = "TransferRisk"
PARAMETER = "session"
_VERSION = 2
_BY_NAME = 1
"""The version whose rows say by its name what a segment stands for."""
_ROLE = "session."
_OURS = "ours"


def find_parameter_node(scene: Node) -> Node | None:
    """The module's parameter node, or None."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLScriptedModuleNode")
    nodes = (scene.GetNthNodeByClass(number, "vtkMRMLScriptedModuleNode") for number in range(count))
    return next((node for node in nodes if node.GetModuleName() == MODULE), None)


def parameter_node(scene: Node) -> Node:
    """The module's parameter node, made as Slicer's own module logic would when there is none."""
    node = find_parameter_node(scene)
    if node is not None:
        return node
    node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
    node.UnRegister(None)
    node.SetSingletonTag(MODULE)
    node.SetModuleName(MODULE)
    node.SetName(MODULE)
    return scene.AddNode(node)


def save_state(state: SessionState, node: Node) -> str:
    """Write the state into a parameter node of the scene; the text that it holds now."""
    text = json.dumps({"version": _VERSION, "state": to_json(state)}, separators=(",", ":"))
    scene = node.GetScene()
    present = {i for i in node_ids(state) if scene is None or scene.GetNodeByID(i) is not None}
    was = node.StartModify()
    for role in _roles(node):
        if role.removeprefix(_ROLE) not in present:
            node.RemoveNodeReferenceIDs(role)
    for identity in sorted(present):
        if node.GetNodeReferenceID(_ROLE + identity) != identity:
            node.SetNodeReferenceID(_ROLE + identity, identity)
    if node.GetParameter(PARAMETER) != text:
        node.SetParameter(PARAMETER, text)
    node.EndModify(was)
    return text


def claim(node: Node) -> None:
    """Note in a parameter node that the session's own choices stand there, before a scene is imported.

    The node is a singleton: one in the imported scene is not added, it overwrites this one, note and all,
    with references to the nodes that the import has added.
    """
    node.SetParameter(_OURS, "1")


def end_claim(node: Node) -> bool:
    """Whether what `claim` noted still stands there, after the import; the note goes."""
    there = bool(node.GetParameter(_OURS))
    node.UnsetParameter(_OURS)
    return there


def load_state(node: Node) -> SessionState:
    """The state of a parameter node, with the node IDs that the scene has now and `GONE` for what it
    refers to no more; an empty state when it holds none.

    Raises:
        SettingsError: it was written by a newer version, or is damaged.
    """
    text = node.GetParameter(PARAMETER)
    if not text:
        return SessionState()
    try:
        record = json.loads(text)
        version = record["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(_("The choices in this scene cannot be read.")) from error
    if version not in (_BY_NAME, _VERSION):
        text = _("The choices in this scene have version {theirs}; this TransferRisk reads {ours}.")
        raise SettingsError(text.format(theirs=version, ours=_VERSION), hint=_("Update the extension."))
    state = from_json(SessionState, record["state"], "session")
    referred = {role.removeprefix(_ROLE): node.GetNodeReference(role) for role in _roles(node)}
    now = {old: found.GetID() for old, found in referred.items() if found is not None}
    state = with_node_ids(state, lambda identity: now.get(identity, GONE))
    nodes = {found.GetID(): found for found in referred.values() if found is not None}

    def read(rows: Iterable[CaseRow]) -> tuple[CaseRow, ...]:
        return tuple(read_row(row, nodes.get(row.segmentation), version == _BY_NAME) for row in rows)

    return replace(state, cases=read(state.cases), ranked=read(state.ranked))


def _roles(node: Node) -> list[str]:
    roles: list[str] = []
    node.GetNodeReferenceRoles(roles)
    return [role for role in roles if role.startswith(_ROLE)]
