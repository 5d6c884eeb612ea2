"""A layout that a panel can be drawn into without a window: it notes what is shown, and refuses what does not exist."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import bpy


class RecordingLayout(SimpleNamespace):
    """Stands in for ``UILayout``; parts of it note into the same lists."""

    def __init__(self, notes: Any = None) -> None:
        super().__init__(notes=notes or SimpleNamespace(props=[], texts=[], operators=[], icons=0))

    @property
    def props(self) -> list[str]:
        """Names of the properties drawn, in order."""
        return list(self.notes.props)

    @property
    def texts(self) -> list[str]:
        """Labels drawn, in order."""
        return list(self.notes.texts)

    @property
    def operators(self) -> list[str]:
        """Identifiers of the operators drawn, in order."""
        return list(self.notes.operators)

    @property
    def icons(self) -> int:
        """How many pictures are drawn."""
        return int(self.notes.icons)

    def _part(self, **_: Any) -> RecordingLayout:
        return RecordingLayout(self.notes)

    row = column = box = split = _part

    def prop(self, data: Any, name: str, **_: Any) -> None:
        """Note a property, which must be one of ``data``."""
        assert name in data.bl_rna.properties, (data, name)
        self.notes.props.append(name)

    def prop_search(self, data: Any, name: str, holder: Any, items: str, **_: Any) -> None:
        """Note a property that is chosen among the items of a collection."""
        assert items in holder.bl_rna.properties, (holder, items)
        self.prop(data, name)

    def label(self, *, text: str = "", icon: str = "NONE", **_: Any) -> None:
        """Note a text; the icon must exist."""
        assert icon in bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items, icon
        self.notes.texts.append(text)

    def operator(self, identifier: str, **_: Any) -> SimpleNamespace:
        """Note an operator, which must be registered."""
        group, _dot, name = identifier.partition(".")
        assert name in dir(getattr(bpy.ops, group)), identifier
        self.notes.operators.append(identifier)
        return SimpleNamespace()

    def separator(self, **_: Any) -> None:
        """Nothing that is read."""

    def template_icon(self, *, icon_value: int, scale: float) -> None:
        """Note a picture."""
        self.notes.icons += 1

    def template_icon_view(self, data: Any, name: str, **_: Any) -> None:
        """Note a property that is chosen by pictures."""
        self.prop(data, name)

    def progress(self, *, factor: float, text: str, **_: Any) -> None:
        """Note a progress bar's text."""
        assert 0.0 <= factor <= 1.0
        self.notes.texts.append(text)


def drawn(panel: type) -> RecordingLayout:
    """What a panel's class shows in the present context."""
    layout = RecordingLayout()
    names: dict[str, Callable[..., Any]] = {
        name: value
        for base in reversed(panel.__mro__)
        if not issubclass(base, bpy.types.bpy_struct)
        for name, value in vars(base).items()
        if not name.startswith("__")
    }
    stand_in = type("Panel", (), names)()
    stand_in.layout = layout
    stand_in.draw(bpy.context)
    return layout
