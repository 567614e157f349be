"""Groups of rescalers that long reports offer."""

from dataclasses import replace

import pandas as pd
from synthetic_study import Maker

from dse.report.row_groups import row_groups

NAMES = ("conv_0", "depthwise_1", "conv_2", "add_3", "fc_4")


def layers(channels: list[float], rescales: list[float]) -> pd.DataFrame:
    rows = zip(NAMES, channels, rescales, strict=True)
    return pd.DataFrame([{"trial": 3, "rescaler": name, "channels": c, "rescales": r} for name, c, r in rows])


def test_groups_are_kinds_and_sizes(make: Maker) -> None:
    results = make(names=NAMES, rescalers=5)
    table = layers([8, 8, 16, 1, 10], [8 * 36, 8 * 36, 16 * 12, 16 * 12, 10])
    assert row_groups(replace(results, layers=table)) == [
        ("conv", [0, 2]),
        ("depthwise", [1]),
        ("add", [3]),
        ("fc", [4]),
        ("6 x 6", [0, 1]),
        ("12 positions", [2, 3]),  # the ADD belongs to the layers before it
        ("1 x 1", [4]),
    ]


def test_layers_that_are_alike_or_unknown_make_no_groups(make: Maker) -> None:
    results = make(rescalers=5)
    assert row_groups(replace(results, layers=results.layers.iloc[:0])) == []
    results = make(names=("add_0", *NAMES[:4]), rescalers=5)
    assert [label for label, _ in row_groups(replace(results, layers=results.layers.iloc[:0]))] == [
        "add",
        "conv",
        "depthwise",
    ]


def test_blocks_of_a_portfolio_are_its_networks(make: Maker) -> None:
    results = make(names=("kws/conv_0", "kws/fc_1", "vww/conv_0"), rescalers=3)
    results = replace(results, facts=replace(results.facts, members=("kws", "vww")))
    assert row_groups(results)[:2] == [("kws", [0, 1]), ("vww", [2])]
