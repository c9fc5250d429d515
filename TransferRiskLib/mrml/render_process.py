"""The child process that renders: `python -m TransferRiskLib.mrml.render_process REQUEST ANSWER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from TransferRiskLib.atomic import write_json
from TransferRiskLib.errors import TransferRiskError
from TransferRiskLib.mrml.render_request import Rendered, RenderRequest
from TransferRiskLib.records import from_json, to_json


def main(arguments: list[str]) -> int:
    """Read the request, render, write the answer; errors of ours become part of the answer."""
    request_file, answer_file = map(Path, arguments)
    request = from_json(RenderRequest, json.loads(request_file.read_text(encoding="utf-8")))
    try:
        from TransferRiskLib.mrml.renders import render_here

        answer = render_here(request)
    except TransferRiskError as error:
        answer = Rendered(problem=str(error))
    except ImportError as error:
        answer = Rendered(problem=f"Slicer's libraries cannot be loaded: {error}")
    write_json(answer_file, to_json(answer))
    return 0 if answer.problem is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
