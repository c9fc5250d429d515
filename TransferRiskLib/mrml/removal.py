"""Removing nodes from a scene together with what belongs to them alone."""

from __future__ import annotations

from collections.abc import Iterable

from TransferRiskLib.mrml.heat import is_colour_node
from TransferRiskLib.mrml.nodes import Node

_BELONGINGS = ("vtkMRMLDisplayNode", "vtkMRMLStorageNode", "vtkMRMLVolumePropertyNode")


def remove_with_belongings(scene: Node, nodes: Iterable[Node]) -> None:
    """Remove nodes, and their display, storage and volume property nodes and the colours of maps that no
    other node refers to.

    MRML leaves most of those where they are; they would be saved with the scene.

    Args:
        scene: The MRML scene.
        nodes: Nodes of the scene.
    """
    nodes = list(nodes)
    for node in [*nodes, *_belongings(scene, nodes)]:
        if node.GetScene() is not None:  # some go with the node that they belong to
            scene.RemoveNode(node)


def _belongings(scene: Node, nodes: list[Node]) -> list[Node]:
    found = {other: None for node in nodes for other in _referenced(scene, node)}
    theirs = [
        other
        for other in found
        if other not in nodes and (any(map(other.IsA, _BELONGINGS)) or is_colour_node(other))
    ]
    all_nodes = scene.GetNodes()
    going = {*nodes, *theirs}
    others = {all_nodes.GetItemAsObject(number) for number in range(all_nodes.GetNumberOfItems())} - going
    while others and theirs:
        # What another node needs stays, and so does what that needs in turn.
        needed = {n for n in theirs if any(scene.IsNodeReferencingNodeID(o, n.GetID()) for o in others)}
        theirs = [node for node in theirs if node not in needed]
        others = needed
    return theirs


def _referenced(scene: Node, node: Node) -> list[Node]:
    """The nodes to which a node refers, and to which those refer."""
    found = scene.GetReferencedNodes(node, True)
    found.UnRegister(None)  # the caller owns the collection
    return [found.GetItemAsObject(number) for number in range(found.GetNumberOfItems())]
