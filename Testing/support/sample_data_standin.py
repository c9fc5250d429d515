"""Slicer's `SampleData` module as far as a script that asks for a sample gets through it.

It follows Slicer 5.10 to 5.13: `downloadSamples` finds the source by its name and goes through addresses,
file names, node names and kinds of file in step. Addresses are rewritten by the registered rules and
fetched into a folder that stays, unless the file is there. A custom downloader is never asked here: only
the module's own buttons call it.
"""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any


class Source:
    """`SampleDataSource` with the fields that matter; two are equal when they say the same."""

    def __init__(
        self,
        sampleName: str,  # noqa: N803
        uris: Sequence[str],
        fileNames: Sequence[str],  # noqa: N803
        nodeNames: Sequence[str],  # noqa: N803
        loadFileTypes: Sequence[str],  # noqa: N803
        thumbnailFileName: str | None = None,  # noqa: N803
        customDownloader: Callable[[Any], Any] | None = None,  # noqa: N803
    ) -> None:
        if len({len(uris), len(fileNames), len(nodeNames), len(loadFileTypes)}) != 1:
            raise ValueError("All fields of sample data source must have the same length")
        self.sampleName, self.thumbnailFileName = sampleName, thumbnailFileName
        self.uris, self.fileNames, self.nodeNames = uris, fileNames, nodeNames
        self.loadFileTypes, self.customDownloader = loadFileTypes, customDownloader

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


def module(cache: Path, load: Callable[[str, str, str], Any], *, categories: bool) -> Any:
    """The module to put under the name `SampleData`.

    Args:
        cache: Where fetched files stay.
        load: Takes a file, its kind and the node's name; gives the node.
        categories: Whether categories have titles, as from Slicer 5.11 on.
    """
    sources: dict[str, list[Source]] = {}
    rules: dict[str, Callable[[str], str]] = {}
    titles: dict[str, str] = {}

    class Logic:
        @staticmethod
        def registerCustomSampleDataSource(category: str = "Custom", **fields: Any) -> None:  # noqa: N802
            source, known = Source(**fields), sources.setdefault(category, [])
            if source not in known:
                known.append(source)

        @staticmethod
        def registerUrlRewriteRule(name: str, rewriteFunction: Callable[[str], str]) -> None:  # noqa: N802, N803
            rules[name] = rewriteFunction

        @staticmethod
        def sampleDataSourcesByCategory(category: str) -> list[Source]:  # noqa: N802
            return sources.get(category, [])

        def downloadSamples(self, sampleName: str) -> list[Any]:  # noqa: N802, N803
            every = (source for known in sources.values() for source in known)
            found = next((source for source in every if source.sampleName == sampleName), None)
            return self.downloadFromSource(found) if found is not None else []

        def downloadFromSource(self, source: Source) -> list[Any]:  # noqa: N802
            fields = (source.uris, source.fileNames, source.loadFileTypes, source.nodeNames)
            return [
                load(self._fetched(uri, name), kind, node)
                for uri, name, kind, node in zip(*fields, strict=True)
            ]

        def _fetched(self, uri: str, name: str) -> str:
            for rule in rules.values():
                uri = rule(uri)
            path = cache / name
            if not path.is_file():
                with urllib.request.urlopen(uri) as given, path.open("wb") as kept:
                    shutil.copyfileobj(given, kept)
            return str(path)

    if categories:
        Logic.registerCustomSampleDataCategory = staticmethod(  # type: ignore[attr-defined]
            lambda category, title: titles.update({category: title})
        )
    made: Any = ModuleType("SampleData")
    made.SampleDataLogic, made.titles, made.rules = Logic, titles, rules
    made.downloadSamples = lambda name: Logic().downloadSamples(name)
    made.downloadSample = lambda name: Logic().downloadSamples(name)[0]
    return made
