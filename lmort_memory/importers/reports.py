"""Reports of ChatGPT's Deep Research, which its page draws in a frame of their own.

The assistant's message is empty; the report is in the state of the frame, as JSON in a hidden
message of a tool or in the metadata of a message.
"""

from __future__ import annotations

import json

from lmort_memory.importers.json_fields import Object, items_of, object_of
from lmort_memory.types import JsonValue

__all__ = ["report_of"]

_STATE = "The latest state of the widget is:"


def report_of(message: Object) -> Object:
    """Return the message that a report is; an empty one if there is none in `message`."""
    for state in _states(message):
        report = object_of(state.get("report_message"))
        if report:
            author: Object = {"role": "assistant"}
            content: Object = {**object_of(report.get("content")), "content_type": "text"}
            return {"id": message.get("id"), "author": author, "content": content}
    return {}


def _states(message: Object) -> list[Object]:
    widget = object_of(object_of(message.get("metadata")).get("chatgpt_sdk"))
    said = items_of(object_of(message.get("content")), "parts")[:1]
    texts = [part for part in said if isinstance(part, str) and part.startswith(_STATE)]
    found = [widget.get("widget_state"), *(text.removeprefix(_STATE) for text in texts)]
    return [_object(value) for value in found]


def _object(value: JsonValue) -> Object:
    if not isinstance(value, str):
        return object_of(value)
    try:
        return object_of(json.loads(value, strict=False))
    except (ValueError, RecursionError):
        return {}
