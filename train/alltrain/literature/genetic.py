"""A small genetic algorithm over vectors of numbers between 0 and 1.

Source: J. H. Holland, Adaptation in Natural and Artificial Systems, 1975; genes that are real numbers after
Z. Michalewicz, Genetic Algorithms + Data Structures = Evolution Programs, 1996. The fitter of two drawn at
random is a parent, each gene comes from either parent, some genes jump, and the best two live on unchanged.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alledge.types import F64


@dataclass(frozen=True, slots=True)
class Evolution:
    """How long and how boldly to search. crossover, mutation: chance a pair and a gene."""

    n_individuals: int = 24
    n_generations: int = 25
    crossover: float = 0.8
    mutation: float = 0.1
    n_kept: int = 2


def evolve(
    fitness: Callable[[F64], float],
    first: F64,
    evolution: Evolution,
    seed: int,
    on_generation: Callable[[int, int], None] | None = None,
) -> F64:
    """The fittest vector that was met; never worse than `first`.

    Args:
        fitness: of a (G,) float64 vector with values from 0 to 1; larger is better.
        first: (G,) float64, one individual of the first generation; the others are drawn at random.
        evolution: numbers of the search.
        seed: the only source of chance.
        on_generation: told generations done and how many there are.
    """
    rng = np.random.default_rng(seed)
    people = rng.random((evolution.n_individuals, first.size))
    people[0] = first
    scores = np.array([fitness(person) for person in people])
    for generation in range(evolution.n_generations):
        kept = np.argsort(-scores, kind="stable")[: evolution.n_kept]
        n_children = evolution.n_individuals - len(kept)
        children = _children(people, scores, n_children, evolution, rng)
        people = np.concatenate([people[kept], children])
        scores = np.concatenate([scores[kept], [fitness(child) for child in children]])
        if on_generation is not None:
            on_generation(generation + 1, evolution.n_generations)
    return np.asarray(people[int(scores.argmax())], dtype=np.float64)


def _children(
    people: F64, scores: F64, n_children: int, evolution: Evolution, rng: np.random.Generator
) -> F64:
    """(n, G) float64 of the next generation."""
    mothers, fathers = _parents(scores, n_children, rng), _parents(scores, n_children, rng)
    shape = (n_children, people.shape[1])
    swapped = (rng.random(shape) < 0.5) & (rng.random((n_children, 1)) < evolution.crossover)
    children = np.where(swapped, people[fathers], people[mothers])
    jumps = rng.random(shape) < evolution.mutation
    return np.where(jumps, rng.random(shape), children)


def _parents(scores: F64, n: int, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(n,) int64: winners of tournaments of two."""
    rivals = rng.integers(0, len(scores), (n, 2))
    winners = np.where(scores[rivals[:, 0]] >= scores[rivals[:, 1]], rivals[:, 0], rivals[:, 1])
    return np.asarray(winners, dtype=np.int64)
