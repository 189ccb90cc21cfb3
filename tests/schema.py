"""Writes ``etl/manifest.schema.json``, which says what is in a manifest: ``make schema``."""

from __future__ import annotations

import ast
import inspect
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from etl import manifest

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core.core_schema import WithDefaultSchema


class _Schema(GenerateJsonSchema):
    """Leaves out titles, which repeat the names, and defaults, since every entry is written."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002
        return False

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def schema() -> str:
    """Return the JSON Schema of the manifest; the docstrings of its entries describe them."""
    document = manifest.ADAPTER.json_schema(schema_generator=_Schema, mode="serialization")
    for name, definition in {**document["$defs"], "Manifest": document}.items():
        for entry, text in _docstrings(getattr(manifest, name)).items():
            if entry in definition.get("properties", ()):
                definition["properties"][entry]["description"] = text
    document["properties"]["sha256"] = {
        "description": "The SHA-256 of this document without this entry:"
        " keys sorted, no white space, ASCII.",
        "pattern": "^[0-9a-f]{64}$",
        "type": "string",
    }
    document["required"].append("sha256")
    document = {"$schema": GenerateJsonSchema.schema_dialect, **document}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _docstrings(cls: type[Any]) -> dict[str, str]:
    """Return the docstring below each attribute of a class, by the attribute's name.

    Pydantic's ``use_attribute_docstrings`` would parse the source at each start of the program.
    """
    (defined,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(defined, ast.ClassDef)
    return {
        attribute.target.id: " ".join(str(docstring.value.value).split())
        for attribute, docstring in pairwise(defined.body)
        if isinstance(attribute, ast.AnnAssign)
        and isinstance(attribute.target, ast.Name)
        and isinstance(docstring, ast.Expr)
        and isinstance(docstring.value, ast.Constant)
    }


if __name__ == "__main__":
    from program import ROOT

    (ROOT / "etl" / "manifest.schema.json").write_text(schema(), encoding="utf-8")
