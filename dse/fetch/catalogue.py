"""What files there are by name: addresses, sizes, SHA-256 digests, licences and sources."""

import difflib
import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dse.errors import StudyError

Recipe = Literal["cifar10_subset", "kws01"]


class CatalogueEntry(BaseModel):
    """A public file; :mod:`dse.fetch.content` says what makes a file the right one.

    Attributes:
        name: the name it is asked for by, and has in the cache.
        size_bytes: its size; of samples that a recipe makes, that of the file they were published in.
        sha256: digest of the file, hexadecimal; None if its arrays are what counts.
        arrays_sha256: digest of the arrays of an .npz file, hexadecimal.
        url: where it can be downloaded; None if it cannot.
        recipe: how it is made of other downloads; None if it is none of ours.
        licence: the licence, or who has the copyright.
        source: where it is from.
        confirmed: whether a public record names this address with this digest, or a part of what it gives was compared.
        note: how it was made, or what else to know; one sentence or more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    size_bytes: int = Field(ge=1)
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    arrays_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    url: str | None = Field(None, pattern=r"^https?://")
    recipe: Recipe | None = None
    licence: str
    source: str
    confirmed: bool = False
    note: str = ""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.sha256 is None) == (self.arrays_sha256 is None):
            raise ValueError(f"{self.name}: give either sha256 or arrays_sha256")
        if self.url is not None and (self.recipe is not None or self.sha256 is None):
            raise ValueError(f"{self.name}: a file with a url has a sha256 and no recipe")
        return self


class _Catalogue(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    files: tuple[CatalogueEntry, ...]


@cache
def public_files() -> dict[str, CatalogueEntry]:
    """Returns the shipped catalogue by name, in its order."""
    text = files("dse.fetch").joinpath("catalogue.toml").read_text(encoding="utf-8")
    entries = _Catalogue.model_validate(tomllib.loads(text)).files
    return {entry.name: entry for entry in entries}


def entry_named(name: str) -> CatalogueEntry:
    """Returns the catalogue's entry of this name.

    Raises:
        StudyError: there is none.
    """
    known = public_files()
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    raise StudyError(
        f"no public file is named {name!r}; "
        + (f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}")
    )
