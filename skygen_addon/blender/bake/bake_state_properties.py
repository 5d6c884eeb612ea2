"""What the last bake left in a world's settings; written by the operators, read by the panel."""

# Blender reads properties from annotations that are calls, which no type checker accepts.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

from bpy.props import FloatProperty, IntProperty, StringProperty


class BakeState:
    """How long frames took, and which sequence is bound."""

    measured_seconds: FloatProperty(
        name="Time per Frame",
        description="Seconds that a frame took in the last bake, for the estimate of the next; 0 before the first",
        default=0.0,
        min=0.0,
        max=1e9,
        options={"HIDDEN"},
    )
    measured_width: IntProperty(
        name="Measured Width",
        description="Width in pixels of the frames of the last bake; 0 before the first",
        default=0,
        min=0,
        max=10**6,
        options={"HIDDEN"},
    )
    baked_start: IntProperty(
        name="Baked From",
        description="First frame of the bound sequence",
        default=0,
        options={"HIDDEN"},
    )
    baked_end: IntProperty(
        name="Baked To",
        description="Last frame of the bound sequence; below the first when none is bound",
        default=-1,
        options={"HIDDEN"},
    )
    baked_settings: StringProperty(
        name="Baked Settings",
        description="Fingerprint of the settings, engine and model that the bound sequence was baked with",
        default="",
        options={"HIDDEN"},
    )
