"""A differential as plain JSON values: what status, page and report show, under one set of names."""

from alledge.differential.count import Differential, Share
from alledge.strict_json import Json


def differential_to_dict(told: Differential) -> dict[str, Json]:
    """Lays a differential out; a share is `{"value", "ci95": [low, high]}` or null, from 0 to 1."""
    counts: dict[str, Json] = {**told.counts}
    shares: dict[str, Json] = {name: _share(share) for name, share in told.shares.items()}
    return {
        "cells": told.n_cells,
        "called": told.n_called,
        "review": told.n_review,
        "counts": counts,
        "shares": shares,
        "positive_share": _share(told.blast_share),
        "positive_share_if_review_none": _share(told.if_review_none),
        "positive_share_if_review_all": _share(told.if_review_all),
        "corrected_share": _share(told.corrected),
        "not_corrected": told.not_corrected,
        "target": told.target,
        "is_complete": told.is_complete,
        "missing": told.missing,
    }


def _share(share: Share | None) -> Json:
    if share is None:
        return None
    low, high = share.ci95
    return {"value": share.value, "ci95": [low, high]}
