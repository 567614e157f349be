"""Public models and samples by name: brought from their addresses or a mirror, and never used unverified."""

from typing import TYPE_CHECKING

from dse.fetch.names import PREFIX, name_in
from nets.lazy import names_on_demand

if TYPE_CHECKING:
    from dse.fetch.catalogue import CatalogueEntry, public_files
    from dse.fetch.fetcher import Fetcher, default_fetch_folder
else:
    __getattr__ = names_on_demand(__name__, "catalogue", "fetcher")  # pydantic; requests

__all__ = ["PREFIX", "CatalogueEntry", "Fetcher", "default_fetch_folder", "name_in", "public_files"]
