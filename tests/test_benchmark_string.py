"""The one-line form of NAS-Bench-201."""

from __future__ import annotations

import random

import pytest

from autodas.benchmark_string import benchmark_string, is_benchmark_string, read_benchmark_string
from autodas.errors import GenotypeError
from autodas.genotype import Edge, Genotype
from autodas.spaces import get_space, random_cell, validate
from autodas.zoo import load_genotype, load_zoo

TEXT = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"


def test_what_it_says() -> None:
    genotype = read_benchmark_string(TEXT)
    cell = genotype.cells["normal"]
    assert (cell.inputs, cell.concat, genotype.space) == (1, (3,), "nasbench201")
    assert cell.nodes == (
        (Edge("nor_conv_3x3", 0),),
        (Edge("none", 0), Edge("skip_connect", 1)),
        (Edge("avg_pool_3x3", 0), Edge("nor_conv_1x1", 1), Edge("none", 2)),
    )
    get_space("nasbench201").validate(genotype)
    assert benchmark_string(genotype) == TEXT


def test_the_order_within_a_node_does_not_matter() -> None:
    swapped = TEXT.replace("|none~0|skip_connect~1|", "|skip_connect~1|none~0|")
    assert read_benchmark_string(swapped) == read_benchmark_string(TEXT)


def test_every_member_of_the_space_comes_back() -> None:
    cell, generator, seen = get_space("nasbench201").cell, random.Random(0), set()
    for _ in range(200):
        drawn = random_cell(cell, generator)
        text = benchmark_string(Genotype({"normal": drawn}, space="nasbench201"))
        assert text is not None
        assert read_benchmark_string(text).cells["normal"] == drawn
        seen.add(text)
    assert len(seen) > 190


def test_it_stands_where_a_genotype_is_needed() -> None:
    assert is_benchmark_string(f" {TEXT}\n")
    assert load_genotype(f" {TEXT}\n") == read_benchmark_string(TEXT)
    assert not is_benchmark_string("darts_v2")
    assert benchmark_string(load_zoo("darts_v2")) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("|", "node 1: '|operation~state|...' is expected, found '|'"),
        ("|none~0", "node 1: '|operation~state|...' is expected, found '|none~0'"),
        (TEXT.replace("none~0", "none"), "node 2: 'operation~state' is expected, found 'none'"),
        (TEXT.replace("none~0", "none~-1"), "node 2: 'operation~state' is expected, found 'none~-1'"),
        (TEXT.replace("none~0", "none~²"), "node 2: 'operation~state' is expected"),
        (TEXT.replace("none~0", "none~" + "9" * 5000), "node 2: 'operation~state' is expected"),
        (TEXT.replace("none~0", "none~1"), "node 2 must read each of the states 0..1 once"),
        (TEXT.replace("none~0|", ""), "node 2 must read each of the states 0..1 once"),
        (TEXT.replace("+", "", 1), "node 1"),
    ],
)
def test_faults(text: str, message: str) -> None:
    with pytest.raises(GenotypeError) as error:
        read_benchmark_string(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            TEXT.replace("nor_conv_1x1", "sep_conv_3x3"),
            "operation 'sep_conv_3x3' is not in space 'nasbench201'",
        ),
        (TEXT.replace("none~0", "nome~0"), "operation 'nome' is not in space 'nasbench201'"),
        ("|none~0|", "1 inputs and 1 nodes, but space 'nasbench201' has 1 and 3"),
    ],
)
def test_what_the_space_does_not_hold(text: str, message: str) -> None:
    with pytest.raises(GenotypeError) as error:
        validate(read_benchmark_string(text))
    assert message in str(error.value)
