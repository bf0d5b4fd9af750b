"""Options shared by many commands, written once as a dataclass.

    @dataclass(frozen=True, slots=True)
    class Where:
        scope: Annotated[str | None, typer.Option(help="…")] = None

    @app.command()
    @expanded
    def recall(query: str, *, where: Where) -> None: ...

Typer sees `recall(query, *, scope)`; the function gets one `Where`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

__all__ = ["expanded"]


def expanded(function: Callable[..., None]) -> Callable[..., None]:
    """Replace each dataclass parameter by the dataclass's fields, as options."""
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters
    groups: dict[str, Any] = {name: hints[name] for name in parameters if is_dataclass(hints[name])}

    @functools.wraps(function)
    def call(**options: object) -> None:
        for name, group in groups.items():
            options[name] = group(**{f.name: options.pop(f.name) for f in fields(group)})
        function(**options)

    plain = [p.replace(annotation=hints[n]) for n, p in parameters.items() if n not in groups]
    extra = [option for group in groups.values() for option in _options(group)]
    shown = [p.replace(kind=p.KEYWORD_ONLY) for p in (*plain, *extra)]
    call.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in shown}
    del call.__wrapped__  # typer would read the old signature
    return call


def _options(group: Any) -> list[inspect.Parameter]:  # noqa: ANN401  any dataclass
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name]
        )
        for f in fields(group)
    ]
